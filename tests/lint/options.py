"""Commands, options and manual pages hold together both ways.

Every command and option that --help prints is in the manual, and every option that the manual lists exists.
"""
import pathlib
import re
import subprocess
import sys

from tree import ROOT, report

PAGES = {"callctl": "man/callctl.1", "calld": "man/calld.8"}


def help_of(binary, words):
    run = subprocess.run([str(binary), *words, "--help"], capture_output=True, text=True,
                         check=False, timeout=20)
    if run.returncode != 0:
        return None
    return run.stdout


def walk(binary, words, seen):
    """Options and command paths of one program, by asking each level for its help."""
    text = help_of(binary, words)
    if text is None:
        sys.exit(f"{binary.name} {' '.join(words)} --help does not exit 0")
    seen.setdefault("options", set()).update(re.findall(r"(?<![\w-])(--[a-z][a-z0-9-]*)", text))
    section = re.split(r"^Subcommands:\s*$", text, flags=re.M)
    if len(section) > 1:
        for line in section[1].splitlines():
            found = re.match(r"^ {2}([a-z][a-z-]*)\b", line)
            if found:
                path = [*words, found.group(1)]
                seen.setdefault("commands", set()).add(" ".join(path))
                walk(binary, path, seen)
    return seen


def main():
    problems = []
    for program, page in PAGES.items():
        binary = pathlib.Path(sys.argv[1]) / program
        seen = walk(binary, [], {})
        text = (ROOT / page).read_text().replace("\\-", "-")
        listed = {"--" + o for o in re.findall(r"\bFl -([a-z][a-z0-9-]*)", text)}
        for option in sorted(seen["options"] - listed - {"--help"}):
            problems.append(f"{page}: {option} of {program} --help is not in the manual")
        for option in sorted(listed - seen["options"] - {"--version", "--help"}):
            problems.append(f"{page}: {option} does not exist in {program}")
        documented = {" ".join(m.split()) for m in re.findall(r"\bCm ([a-z][a-z -]*)", text)}
        for command in sorted(seen.get("commands", set())):
            if command not in documented and not any(
                    d.startswith(command + " ") for d in documented):
                problems.append(f"{page}: command '{command}' is not in the manual")
    return report(problems, "options")


sys.exit(main())
