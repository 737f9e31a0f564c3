"""The files of the repository that the lints read: what git tracks or would track."""
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def files(*suffixes, under=()):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        names = listed.stdout.splitlines()
    else:  # a release archive without .git
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*")
                 if p.is_file() and "build" not in p.parts]
    for name in sorted(names):
        path = ROOT / name
        if path.is_file() and path.suffix in suffixes and (
                not under or name.split("/")[0] in under):
            yield path


def report(problems, what):
    for problem in problems:
        print(problem)
    print(f"{what}: {len(problems)} problem(s)")
    return 1 if problems else 0
