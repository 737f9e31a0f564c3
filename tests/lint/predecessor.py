"""docs/predecessor.md lists every failure of the system that calld replaces. Each row names the test that proves it
gone, and that test exists; or says why its test belongs to a later issue."""
import re
import sys

from tree import ROOT, files, report

WANTED = [f"A8.{n}" for n in range(1, 33)] + [f"A9.{n}" for n in range(1, 24)] + [f"B11.{n}" for n in range(1, 33)]


def main():
    sources = "\n".join(p.read_text() for p in files(".cpp", ".py", ".sh", under=("tests",)))
    # A C++ case name may be broken over lines: "..." "..." is one string.
    sources = re.sub(r'"\s*\n\s*"', "", sources)
    problems = []
    seen = set()
    for number, line in enumerate((ROOT / "docs/predecessor.md").read_text().splitlines(), 1):
        row = re.match(r"^\| (A[89]\.\d+|B11\.\d+) \|", line)
        if not row:
            continue
        seen.add(row.group(1))
        cells = [c.strip() for c in line.strip("|").split("|")]
        where = f"docs/predecessor.md:{number}: {row.group(1)}"
        if len(cells) != 3:
            problems.append(f"{where}: three cells wanted: id, failure, test")
        elif cells[2].startswith("later"):
            if len(cells[2]) < 25:
                problems.append(f"{where}: say why the test is for later")
        else:
            for name in re.findall(r"`([^`]+)`", cells[2]):
                if name not in sources:
                    problems.append(f"{where}: no test is named '{name}'")
            if "`" not in cells[2]:
                problems.append(f"{where}: names no test")
    problems += [f"docs/predecessor.md: {wanted} is missing" for wanted in WANTED if wanted not in seen]
    return report(problems, "predecessor")


sys.exit(main())
