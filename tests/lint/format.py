"""clang-format 14 (pinned: other versions differ) finds nothing to change."""
import shutil
import subprocess
import sys

from tree import ROOT, files, report


def main():
    tool = shutil.which("clang-format-14")
    if not tool:
        sys.exit("clang-format-14 not found: apt-get install clang-format-14")
    sources = [str(p.relative_to(ROOT))
               for p in files(".hpp", ".cpp", under=("core", "cmd", "daemon", "tests"))]
    run = subprocess.run([tool, "--dry-run", "--Werror", *sources], cwd=ROOT,
                         capture_output=True, text=True, check=False)
    problems = sorted({line.split(":")[0] + f": run {tool.split('/')[-1]} -i"
                       for line in run.stderr.splitlines() if "error:" in line})
    return report(problems, "format")


sys.exit(main())
