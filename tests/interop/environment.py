"""Virtual environments with pinned packages, made when first needed; the network only that first time.

The pins of rq name what its dependencies were when that rq was current, so that a run next year is the same run.
"""

import fcntl
import os
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
    print(f"environment: {text}", file=sys.stderr)
    sys.exit(1)


def run_or_give_up(command, text):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        give_up(f"{text}\n{' '.join(map(str, command))}\n{done.stdout}")


def python_with(requirements, folder):
    """The python of FOLDER, which has the packages of pip's REQUIREMENTS. Safe to call in parallel."""
    folder = Path(folder).resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    python = folder / "bin" / "python"
    marker = folder / "installed"
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if marker.exists() and marker.read_text().split() == requirements:
            return python
        shutil.rmtree(folder, ignore_errors=True)
        run_or_give_up([sys.executable, "-m", "venv", folder],
                       "python3 cannot make virtual environments; install python3-venv")
        run_or_give_up([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements],
                       f"{' '.join(requirements)} could not be installed with pip")
        marker.write_text("\n".join(requirements))
    return python


def python_with_rq(version, root):
    """The python of ROOT/rq-VERSION."""
    if version not in VERSIONS:
        give_up(f"rq {version} is not one of {', '.join(VERSIONS)}; add it to {__file__}")
    return python_with([f"rq=={version}", *VERSIONS[version]], Path(root) / f"rq-{version}")


def enter(requirements_file, folder):
    """Runs the present script again with the python of FOLDER, unless it does so already."""
    folder = Path(folder).resolve()
    if Path(sys.prefix).resolve() == folder:
        return
    lines = Path(requirements_file).read_text().splitlines()
    python = python_with([line for line in lines if line and not line.startswith("#")], folder)
    os.execv(python, [python, *sys.argv])
