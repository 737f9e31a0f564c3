"""The ordinary calld has no crash points; calld-chaos has them all.

    python3 tests/chaos/absent.py build/release/bin/calld build/release/tests/chaos/calld-chaos
"""
import pathlib
import sys

import faults

ORDER = b"CALLD_CRASH"


def main():
    calld, chaos = (pathlib.Path(name).read_bytes() for name in sys.argv[1:3])
    points = [*faults.WORKER_POINTS, *faults.API_POINTS, *faults.RECONCILER_POINTS, *faults.LIST_POINTS, *faults.CLEANUP_POINTS]
    problems = [f"calld knows {name}" for name in [ORDER.decode(), *points] if name.encode() in calld]
    problems += [f"calld-chaos does not know {name}" for name in [ORDER.decode(), *points] if name.encode() not in chaos]
    for problem in problems:
        print(problem)
    print(f"{len(points)} crash points: {'FAILED' if problems else 'in calld-chaos only'}")
    return 1 if problems else 0


sys.exit(main())
