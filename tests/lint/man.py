"""Every manual page, written or generated, is clean under mandoc -Tlint."""
import pathlib
import shutil
import subprocess
import sys

from tree import ROOT, report


def main():
    if not shutil.which("mandoc"):
        sys.exit("mandoc not found: apt-get install mandoc")
    generated = pathlib.Path(sys.argv[1])
    pages = sorted(p for folder in (ROOT / "man", generated)
                   for p in folder.glob("*.[1-8]"))
    problems = [] if pages else ["no manual page found"]
    for page in pages:
        run = subprocess.run(["mandoc", "-Tlint", "-W", "warning", str(page)],
                             capture_output=True, text=True, check=False)
        problems += run.stdout.splitlines()
    names = {p.name for p in pages}
    for wanted in ("callctl.1", "calld.8", "calld.toml.5", "calld-events.7", "calld-queues.7"):
        if wanted not in names:
            problems.append(f"{wanted} is missing")
    return report(problems, f"man ({len(pages)} pages)")


sys.exit(main())
