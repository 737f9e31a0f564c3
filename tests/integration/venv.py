"""A virtual environment with what Debian's Python lacks, made when first needed; the network only that first time."""
import fcntl
import os
import pathlib
import shutil
import subprocess
import sys

REQUIREMENTS = pathlib.Path(__file__).with_name("requirements.txt")


def run_or_exit(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}")


def enter(folder):
    """Runs the present script again with FOLDER's python, unless it does so already. Safe to call in parallel."""
    folder = pathlib.Path(folder).resolve()
    if pathlib.Path(sys.prefix).resolve() == folder:
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    marker = folder / "installed"
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not marker.exists() or marker.read_text() != REQUIREMENTS.read_text():
            shutil.rmtree(folder, ignore_errors=True)
            run_or_exit(sys.executable, "-m", "venv", folder)
            run_or_exit(folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                        "-r", REQUIREMENTS)
            marker.write_text(REQUIREMENTS.read_text())
    os.execv(folder / "bin/python", [folder / "bin/python", *sys.argv])
