"""Virtual environments with pinned versions of Python's rq, one directory each, made when first needed.

The pins name what rq's dependencies were when that rq was current, so that a run next year is the same run.
"""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

VERSIONS = {
    "1.13.0": ["redis==4.3.4", "click==8.1.3"],  # what Debian 12 ships
    "2.3.3": ["redis==5.2.1", "click==8.1.8"],
    "2.12.0": ["redis==7.1.0", "click==8.3.1"],  # the newest 2.x
}


def give_up(text):
    print(f"interop: {text}", file=sys.stderr)
    sys.exit(1)


def run_or_give_up(command, text):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        give_up(f"{text}\n{' '.join(map(str, command))}\n{done.stdout}")


def python_with_rq(version, root):
    """The python of ROOT/rq-VERSION; needs the network only the first time. Safe to call in parallel."""
    if version not in VERSIONS:
        give_up(f"rq {version} is not one of {', '.join(VERSIONS)}; add it to {__file__}")
    requirements = [f"rq=={version}", *VERSIONS[version]]
    environment = Path(root).resolve() / f"rq-{version}"
    environment.parent.mkdir(parents=True, exist_ok=True)
    python = environment / "bin" / "python"
    marker = environment / "installed"
    with open(f"{environment}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if marker.exists() and marker.read_text().split() == requirements:
            return python
        shutil.rmtree(environment, ignore_errors=True)
        run_or_give_up([sys.executable, "-m", "venv", environment],
                       "python3 cannot make virtual environments; install python3-venv")
        run_or_give_up([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements],
                       f"rq {version} could not be installed with pip")
        marker.write_text("\n".join(requirements))
    return python
