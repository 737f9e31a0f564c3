#!/usr/bin/env python3
"""From the start of a command to its first byte, against psql and redis-cli doing next to nothing in the same run.

PostgreSQL is met in two ways: over a Unix socket without a password, as the packages have it, and over TCP with one (SCRAM),
as `calld up` has it.

    tests/bench/cli/latency.py build/release/bin [--runs 30] [--most-ms 50] [--before OTHER/callctl]

Commands take turns, so that a busy moment hits all alike. Exit 1 when a median of callctl's is above --most-ms.
--before: another build's callctl, in the same turns.
"""
import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "integration"))
from harness import System  # noqa: E402  (the path is set above)
from private_servers import Postgres  # noqa: E402


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
    parser.add_argument("--before", type=pathlib.Path)
    args = parser.parse_args()
    sockets = tempfile.mkdtemp(prefix="calld-bench-", dir="/tmp")
    os.chmod(sockets, 0o777)
    with System(args.bin.resolve(), "") as system, Postgres(unix_socket_directories=sockets) as postgres:
        people = system.write("people.csv", "phone,name\n+12125550101,Dana\n")
        text = (system.state / "calld.toml").read_text()
        tcp = re.search(r'"(postgres[^"]*)"', text).group(1)
        unix = f"postgresql://calld@/calld?host={sockets}&port={postgres.port}"
        redis = re.search(r'"(redis[^"]*)"', text).group(1)
        postgres.sql("postgres", "CREATE DATABASE calld")
        system.callctl("db", "migrate", env={"CALLD_DATABASE_URL": unix})
        for url in (tcp, unix):
            for n in range(20):
                system.callctl("list", "create", f"list-{n}", people, "--from", "+14155550100", env={"CALLD_DATABASE_URL": url})
        callctl = str(system.bin / "callctl")
        commands = {
            "redis-cli ping": ["redis-cli", "-u", redis, "ping"],
            "callctl --version": [callctl, "--version"],
            "callctl completion bash": [callctl, "completion", "bash"],
            "callctl queue ls": [callctl, "queue", "ls"],
            "callctl worker ls": [callctl, "worker", "ls"],
        }
        for way, url in (("socket", unix), ("TCP", tcp)):
            become = ["env", f"CALLD_DATABASE_URL={url}"]
            commands |= {
                f"psql -c 'select 1' ({way})": [real_psql(), "-XqAt", url, "-c", "select 1"],
                f"callctl list ls ({way})": [*become, callctl, "list", "ls"],
                f"callctl list show ({way})": [*become, callctl, "list", "show", "list-7"],
                f"callctl __complete list show l ({way})": [*become, callctl, "__complete", "--", "list", "show", "l"],
            }
        if args.before:
            commands |= {f"before: {name}": [str(args.before.resolve()) if word == callctl else word for word in command]
                         for name, command in commands.items() if name.startswith("callctl")}
        env = {**system.env, "CALLD_CONFIG": str(system.state / "calld.toml")}
        times = {name: [] for name in commands}
        for _ in range(args.runs):
            for name, command in commands.items():
                times[name].append(first_byte_ms(command, env))
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"| command | median of {args.runs} | slowest | ratio to its baseline |\n|---|---|---|---|")
    worst = 0.0
    for name, median in medians.items():
        way = re.search(r"\(\w+\)$", name)
        baseline = f"psql -c 'select 1' {way[0]}" if way else "redis-cli ping"
        print(f"| `{name}` | {median:.1f} ms | {max(times[name]):.1f} ms | {median / medians[baseline]:.2f} |")
        worst = max(worst, median if name.startswith("callctl") else 0)
    return 0 if worst <= args.most_ms else 1


sys.exit(main())
