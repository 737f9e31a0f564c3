"""Every warning and error in the source has its cause and remedy in man/events.toml, and the reverse; calld-events(7)
is what man/make_events.py makes of that file."""
import re
import subprocess
import sys
import tomllib

from tree import ROOT, files, report

# log.warn("..."), log_.error("..."), x.log().warn("..."), log::Logger("m").warn("..."), log_.with("k", v).warn("...")
CALL = re.compile(r'(?:\blog\w*(?:\(\))?|Logger\("\w+"\))(?:\s*\.with\([^;]*?\))?\s*\.\s*(warn|error)\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)')
PIECE = re.compile(r'"((?:[^"\\]|\\.)*)"')


def said():
    """(module, level, message) -> where, of every literal message in core and daemon."""
    found = {}
    for path in files(".cpp", ".hpp", under=("core", "daemon")):
        name = path.relative_to(ROOT)
        if name.parts[:2] == ("core", "log"):
            continue
        module = name.parts[1] if name.parts[0] == "core" else "daemon"
        for match in CALL.finditer(path.read_text()):
            found[module, match[1], "".join(PIECE.findall(match[2]))] = name
    return found


def main():
    problems = []
    source = said()
    listed = {}
    for event in tomllib.loads((ROOT / "man/events.toml").read_text())["event"]:
        key = event["module"], event["level"], event["message"]
        if key in listed:
            problems.append(f"man/events.toml: twice: {key[2]}")
        listed[key] = event
        if not event["cause"].strip() or not event["action"].strip():
            problems.append(f"man/events.toml: no cause or no action: {key[2]}")
    for (module, level, message), where in sorted(source.items()):
        if (module, level, message) not in listed:
            problems.append(f"{where}: say cause and remedy in man/events.toml:\n\n[[event]]\nmodule = \"{module}\"\n"
                            f"level = \"{level}\"\nmessage = '{message}'\ncause = \"\"\naction = \"\"\n")
    for module, level, message in sorted(set(listed) - set(source)):
        problems.append(f"man/events.toml: {module} says this {level} no longer: {message}")
    made = subprocess.run([sys.executable, ROOT / "man/make_events.py"], capture_output=True, text=True, check=True)
    if made.stdout != (ROOT / "man/calld-events.7").read_text():
        problems.append("man/calld-events.7 is old: python3 man/make_events.py > man/calld-events.7")
    return report(problems, f"events ({len(source)} messages)")


sys.exit(main())
