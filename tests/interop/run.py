#!/usr/bin/env python3
"""Runs suite.py against one version of rq, which it installs into an environment of its own.

    run.py --worker PATH --environment DIR --requirement 'rq==1.13.0'

The environment is made once and used again: later runs need no network. Whatever is missing is
said in one sentence and is a failure, never a skipped test.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def give_up(text):
    print(f"interop: {text}", file=sys.stderr)
    sys.exit(1)


def run_or_give_up(command, text):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        give_up(f"{text}\n{' '.join(map(str, command))}\n{done.stdout}")


def install(environment, requirement):
    """The environment's python, with the requirement installed."""
    python = environment / "bin" / "python"
    marker = environment / "installed"
    if marker.exists() and marker.read_text() == requirement:
        return python
    shutil.rmtree(environment, ignore_errors=True)
    run_or_give_up([sys.executable, "-m", "venv", environment],
                   "python3 cannot make virtual environments; install python3-venv")
    run_or_give_up([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                    requirement],
                   f"{requirement} could not be installed with pip")
    marker.write_text(requirement)
    return python


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker", required=True, type=Path)
    parser.add_argument("--environment", required=True, type=Path)
    parser.add_argument("--requirement", required=True)
    parser.add_argument("tests", nargs="*", help="names of tests, default all")
    options = parser.parse_args()

    if not options.worker.exists():
        give_up(f"there is no {options.worker}; build the target interop_worker")
    if not shutil.which("redis-server"):
        give_up("there is no redis-server; install it")
    python = install(options.environment, options.requirement)
    environment = dict(os.environ, INTEROP_WORKER=str(options.worker.resolve()),
                       PYTHONPATH=str(HERE), PYTHONDONTWRITEBYTECODE="1",
                       PATH=f"{python.parent}:{os.environ['PATH']}")
    names = [f"suite.{name}" for name in options.tests] or ["suite"]
    sys.exit(subprocess.run([python, "-m", "unittest", "--verbose", *names], cwd=HERE,
                            env=environment).returncode)


main()
