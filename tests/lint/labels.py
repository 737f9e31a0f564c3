"""Every reason for which the media server ends a call or drops something is a label of its metrics (core/media/instruments.hpp), and every label is a reason
that the code gives: a reason without a label would hide in "other", a label without a reason is a panel that stays empty."""
import re
import sys

from tree import ROOT, files, report

ENDS = [r"\bend\(\"(\w+)\"", r"HangUp\{(?:std::string\()?\"(\w+)\"", r"Closing\{\"(\w+)\"", r"\{Kind::(?:hang_up|say), \"(\w+)\"",
        r"std::string reason = \"(\w+)\"", r"hang_up_reason_ = \"(\w+)\"", r"[?:] \"(\w+)\"(?=\s*(?::|,\s*MonoClock))"]
DROPS = [r"count_drop\(\"(\w+)\"", r"\bdrops\[\"(\w+)\"\]"]
# Before its start message was accepted a stream is no call: these are reasons of calld_media_refused_total.
NO_CALL = {"no_start", "duplicate_call", "refused"}


def labels(name, file="core/media/instruments.hpp"):
    text = (ROOT / file).read_text()
    return set(re.findall(r"\"(\w+)\"", re.search(name + r" = \{(.*?)\};", text, re.S).group(1))) - {"other"}


def used(patterns, ends):
    found = {}
    for path in files(".cpp", ".hpp", under=("core",)):
        name = str(path.relative_to(ROOT))
        if not name.startswith(("core/media/", "core/flow/")):
            continue
        text = path.read_text()
        if ends and name not in ("core/media/call_connection.cpp",):
            patterns_here = patterns[:-1]  # the last one is of a conditional expression there
        else:
            patterns_here = patterns
        for pattern in patterns_here:
            for reason in re.findall(pattern, text):
                found.setdefault(reason, name)
    return found


def compare(what, known, found):
    problems = [f"{name}: the reason \"{reason}\" is no label of {what}" for reason, name in found.items() if reason not in known]
    problems += [f"core/media/instruments.hpp: nothing in the code gives the reason \"{label}\" of {what}" for label in known if label not in found]
    return problems


def main():
    ends = {reason: name for reason, name in used(ENDS, True).items() if reason not in NO_CALL}
    drops = used(DROPS, False)
    problems = compare("kEnds", labels("kEnds"), ends)
    problems += compare("kReasons or kHandlerDrops", labels("kReasons") | labels("kHandlerDrops", "core/flow/handler.hpp"), drops)
    return report(problems, "labels")


sys.exit(main())
