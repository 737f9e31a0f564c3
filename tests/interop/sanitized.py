#!/usr/bin/env python3
"""The interop tests against a worker built with a sanitizer, in a build directory of its own.

    tests/interop/sanitized.py thread
    tests/interop/sanitized.py address      (with undefined)

Builds interop_worker and what it needs, nothing else, runs every module of the tests, and fails when a test fails
or a worker has left a report.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PRESETS = {"thread": "tsan", "address": "asan"}


def run(*command, **options):
    print("+", *command, flush=True)
    return subprocess.run(list(map(str, command)), **options).returncode


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sanitizer", choices=PRESETS)
    parser.add_argument("--build", type=Path, help="build directory (default: build/tsan or build/asan)")
    parser.add_argument("--environments", type=Path, help="where rq is installed (default: in the build directory)")
    parser.add_argument("--rq", default="2.12.0")
    parser.add_argument("--jobs", default="2", help="compilers at the same time")
    parser.add_argument("--launcher", default="", help="CMAKE_CXX_COMPILER_LAUNCHER, such as ccache")
    options = parser.parse_args()
    preset = PRESETS[options.sanitizer]
    build = options.build or ROOT / "build" / preset

    launcher = [f"-DCMAKE_CXX_COMPILER_LAUNCHER={options.launcher}"] if options.launcher else []
    if run("cmake", "--preset", preset, "-B", build, *launcher, cwd=ROOT, stdout=subprocess.DEVNULL) != 0:
        return 1
    if run("cmake", "--build", build, "--target", "interop_worker", "-j", options.jobs) != 0:
        return 1

    failed = False
    with tempfile.TemporaryDirectory() as reports:
        common = f"log_path={reports}/report:exitcode=66"
        environment = dict(
            os.environ, TSAN_OPTIONS=f"{common}:second_deadlock_stack=1",
            ASAN_OPTIONS=f"{common}:detect_stack_use_after_return=1",
            UBSAN_OPTIONS=f"{common}:print_stacktrace=1:halt_on_error=1")
        for module in ("suite", "features", "fleet", "bad_input", "slots", "no_loss"):
            failed |= run(sys.executable, HERE / "run.py", "--worker", build / "bin" / "interop_worker", "--environments",
                          options.environments or build / "interop", "--rq", options.rq, "--module", module,
                          env=environment) != 0
        for report in sorted(Path(reports).iterdir()):
            print(report.read_text(errors="replace"), file=sys.stderr)
            failed = True
    return 1 if failed else 0


sys.exit(main())
