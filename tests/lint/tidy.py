"""Sizes, banned words, white space: the rules of CONTRIBUTING.md that need no compiler."""
import re
import sys

from tree import ROOT, files, report

MAX_SOURCE_LINES = 500
MAX_HEADER_LINES = 300
MAX_COLUMNS = 120

# pattern -> why; product code only (core, cmd, daemon)
BANNED = {
    r"\bco_(await|return|yield)\b": "coroutines: g++ 12 miscompiles ordinary shapes of them",
    r"\.detach\(\)": "no detached threads: every thread has an owner that joins it",
    r"\bsleep_for\b|\bsleep_until\b|\busleep\(": "no sleeps: wait on a condition with a Deadline",
    r"\b(TODO|FIXME|XXX)\b": "finish it or write it in an issue",
    r"\brecursive_mutex\b": "no recursive mutex",
    r"#include <(iostream|regex)>": "locale-bound and slow to compile",
    r"\b(stoi|stol|stoul|stod|atoi|atof|strtol)\(": "use call::parse_number",
}


def main():
    problems = []
    for path in files(".hpp", ".cpp", under=("core", "cmd", "daemon", "tests")):
        name = path.relative_to(ROOT)
        lines = path.read_text().splitlines()
        product = name.parts[0] != "tests"
        limit = MAX_HEADER_LINES if path.suffix == ".hpp" else MAX_SOURCE_LINES
        if product and len(lines) > limit:
            problems.append(f"{name}: {len(lines)} lines, the limit is {limit}: split the file")
        if path.suffix == ".hpp" and "#pragma once" not in lines:
            problems.append(f"{name}: no #pragma once")
        for number, line in enumerate(lines, 1):
            where = f"{name}:{number}"
            if line != line.rstrip():
                problems.append(f"{where}: trailing white space")
            if "\t" in line:
                problems.append(f"{where}: tab")
            if len(line) > MAX_COLUMNS:
                problems.append(f"{where}: {len(line)} columns")
            if path.suffix == ".hpp" and re.match(r"\s*using namespace\b", line):
                problems.append(f"{where}: using namespace in a header")
            if product:
                for pattern, why in BANNED.items():
                    if re.search(pattern, line):
                        problems.append(f"{where}: {why}")
    return report(problems, "tidy")


sys.exit(main())
