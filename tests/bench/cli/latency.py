#!/usr/bin/env python3
"""From the start of a command to its first byte, against psql and redis-cli doing next to nothing in the same run.

    tests/bench/cli/latency.py build/release/bin [--runs 30] [--most-ms 50]

Commands take turns, so that a busy moment hits all alike. Exit 1 when a median of callctl's is above --most-ms.
"""
import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "integration"))
from harness import System  # noqa: E402  (the path is set above)


def first_byte_ms(command, env):
    begun = time.perf_counter()
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        got = os.read(process.stdout.fileno(), 1)
        took = time.perf_counter() - begun
        process.stdout.read()
        if not got or process.wait() != 0:
            raise SystemExit(f"{' '.join(command)} failed")
    return took * 1000


def real_psql():
    """Debian's /usr/bin/psql is a Perl script around it, which would flatter us."""
    return str(max(pathlib.Path("/usr/lib/postgresql").glob("*/bin/psql"), default="psql"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--most-ms", type=float, default=50)
    args = parser.parse_args()
    with System(args.bin.resolve(), "") as system:
        people = system.write("people.csv", "phone,name\n+12125550101,Dana\n")
        for n in range(20):
            system.callctl("list", "create", f"list-{n}", people, "--from", "+14155550100")
        text = (system.state / "calld.toml").read_text()
        postgres = re.search(r'"(postgres[^"]*)"', text).group(1)
        redis = re.search(r'"(redis[^"]*)"', text).group(1)
        callctl = str(system.bin / "callctl")
        commands = {
            "psql -c 'select 1'": [real_psql(), "-XqAt", postgres, "-c", "select 1"],
            "redis-cli ping": ["redis-cli", "-u", redis, "ping"],
            "callctl --version": [callctl, "--version"],
            "callctl completion bash": [callctl, "completion", "bash"],
            "callctl list ls": [callctl, "list", "ls"],
            "callctl list show": [callctl, "list", "show", "list-7"],
            "callctl queue ls": [callctl, "queue", "ls"],
            "callctl worker ls": [callctl, "worker", "ls"],
            "callctl __complete list show l": [callctl, "__complete", "--", "list", "show", "l"],
        }
        env = {**system.env, "CALLD_CONFIG": str(system.state / "calld.toml")}
        times = {name: [] for name in commands}
        for _ in range(args.runs):
            for name, command in commands.items():
                times[name].append(first_byte_ms(command, env))
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"| command | median of {args.runs} | slowest | ratio to its baseline |\n|---|---|---|---|")
    worst = 0.0
    for name, median in medians.items():
        baseline = "redis-cli ping" if "queue" in name or "worker" in name else "psql -c 'select 1'"
        print(f"| `{name}` | {median:.1f} ms | {max(times[name]):.1f} ms | {median / medians[baseline]:.2f} |")
        worst = max(worst, median if name.startswith("callctl") else 0)
    return 0 if worst <= args.most_ms else 1


sys.exit(main())
