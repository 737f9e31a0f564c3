#!/usr/bin/env python3
"""Runs the interop tests against one version of rq, in an environment of its own.

    run.py --worker PATH --environments DIR --rq 1.13.0 [--module no_loss] [TEST ...]

Whatever is missing is said in one sentence and is a failure, never a skipped test.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from environment import VERSIONS, give_up, python_with_rq

HERE = Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker", required=True, type=Path, help="the program interop_worker")
    parser.add_argument("--environments", required=True, type=Path, help="where virtual environments are kept")
    parser.add_argument("--rq", required=True, choices=VERSIONS, help="version of Python's rq")
    parser.add_argument("--module", default="suite",
                        choices=["suite", "features", "fleet", "bad_input", "slots", "no_loss"])
    parser.add_argument("tests", nargs="*", help="names of tests, default all")
    options = parser.parse_args()

    if not options.worker.exists():
        give_up(f"there is no {options.worker}; build the target interop_worker")
    if not shutil.which("redis-server"):
        give_up("there is no redis-server; install it")
    python = python_with_rq(options.rq, options.environments)
    environment = dict(os.environ, INTEROP_WORKER=str(options.worker.resolve()),
                       PYTHONPATH=str(HERE), PYTHONDONTWRITEBYTECODE="1",
                       PATH=f"{python.parent}:{os.environ['PATH']}")
    names = [f"{options.module}.{name}" for name in options.tests] or [options.module]
    sys.exit(subprocess.run([python, "-m", "unittest", "--verbose", *names], cwd=HERE,
                            env=environment).returncode)


main()
