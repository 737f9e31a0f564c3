"""Commands, options and manual pages hold together both ways.

calld has one page, callctl one for itself and one for each command group (callctl list -> man/callctl-list.1). Every
command and option that --help prints stands in its page, every option that a page names exists there (a group's page
may also name callctl's own options), callctl(1) refers to every group's page, and each page is installed.
"""
import pathlib
import re
import subprocess
import sys

from tree import ROOT, report

MAN = ROOT / "man"
EVERYWHERE = {"--help", "--version"}


def help_of(binary, words):
    run = subprocess.run([str(binary), *words, "--help"], capture_output=True, text=True,
                         check=False, timeout=20)
    if run.returncode != 0:
        sys.exit(f"{binary.name} {' '.join(words)} --help does not exit 0")
    return run.stdout


class Commands:
    """One level of a program's parser: its own options, and the levels below."""

    def __init__(self, binary, words=()):
        text = re.split(r"^Examples:\s*$", help_of(binary, words), flags=re.M)[0]
        self.path = " ".join(words)
        self.options = set(re.findall(r"(?<![\w-])(--[a-z][a-z0-9-]*)", text)) - EVERYWHERE
        below = re.split(r"^Subcommands:\s*$", text, flags=re.M)[1:]
        names = re.findall(r"^ {2}([a-z][a-z-]*)\b", below[0], flags=re.M) if below else []
        self.below = {name: Commands(binary, (*words, name)) for name in names}

    def all_options(self):
        return self.options.union(*(c.all_options() for c in self.below.values()))

    def all_paths(self):
        for command in self.below.values():
            yield command.path
            yield from command.all_paths()


def check_page(page, commands, options, also_allowed, problems):
    path = MAN / page
    if not path.exists():
        problems.append(f"man/{page} is missing: write it, and name it in man/CMakeLists.txt")
        return ""
    text = path.read_text().replace("\\-", "-")
    listed = {"--" + o for o in re.findall(r"\bFl -([a-z][a-z0-9-]*)", text)} - EVERYWHERE
    for option in sorted(options - listed):
        problems.append(f"man/{page}: {option} of --help is not in the manual")
    for option in sorted(listed - options - also_allowed):
        problems.append(f"man/{page}: {option} does not exist")
    documented = {" ".join(m.split()) for m in re.findall(r"\bCm ([a-z][a-z -]*)", text)}
    for command in commands:
        if not any(d == command or d.startswith(command + " ") for d in documented):
            problems.append(f"man/{page}: command '{command}' is not in the manual")
    return text


def main():
    binaries = pathlib.Path(sys.argv[1])
    problems = []
    calld = Commands(binaries / "calld")
    check_page("calld.8", calld.all_paths(), calld.all_options(), set(), problems)

    callctl = Commands(binaries / "callctl")
    overview = check_page("callctl.1", [], callctl.options, callctl.all_options(), problems)
    installed = (MAN / "CMakeLists.txt").read_text()
    for name, group in callctl.below.items():
        page = f"callctl-{name}.1"
        check_page(page, [name, *group.all_paths()], group.all_options(), callctl.options, problems)
        if f".Xr callctl-{name} 1" not in overview:
            problems.append(f"man/callctl.1: it does not refer to callctl-{name}(1)")
        if page not in installed:
            problems.append(f"man/CMakeLists.txt: {page} is not installed")
    for page in MAN.glob("callctl-*.1"):
        if page.stem.removeprefix("callctl-") not in callctl.below:
            problems.append(f"man/{page.name}: callctl has no such command group")
    return report(problems, "options")


sys.exit(main())
