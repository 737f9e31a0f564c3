"""What the embedded conversation understands of the example callers, and how soon it answers them.

    python3 tests/bench/callers.py build/release/bin [--callers packaging/examples/callers.toml] [--rounds 3]

The whole system runs, one call at a time: worker, media server with recognition and synthesis, and the simulator with its
spoken callers, which knows what each of them said and what it heard. Word errors are insertions, deletions and
substitutions over all that was said to the end (not keys, not what a caller cut short by hanging up). First audio counts
from the end of the caller's words, as the simulator plays them, until the caller hears the agent; of the greeting, from
the beginning of the stream.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import sys
import tomllib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from harness import System, wait_for  # noqa: E402

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "packaging/examples/callers.toml"


def words(text):
    return re.findall(r"[a-z0-9']+", text.lower())


def word_errors(said, heard):
    """Levenshtein's distance in words."""
    row = list(range(len(heard) + 1))
    for i, a in enumerate(said, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(diagonal + (a != b), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def line_words(line):
    return words(line if isinstance(line, str) else line.get("say", ""))


class Caller:
    """One entry of the script, and what its calls came to."""

    def __init__(self, entry, defaults):
        self.number = entry["number"]
        self.label = entry["label"]
        self.answers = entry.get("pickup", "answer") == "answer"
        self.lines = entry.get("lines", defaults.get("lines", []))
        self.said = self.errors = 0
        self.utterances = self.understood = 0
        self.heard = []  # what was understood, a list a call
        self.turns_ms = []
        self.greetings_ms = []

    def add(self, events, record):
        said = [event for event in events if event["event"] == "said" and not event.get("cut")]
        spoken = [word for event in said for word in line_words(self.lines[event["line"]])]
        heard = [turn["text"] for turn in record["turns"] if turn["who"] == "callee" and not turn.get("digits")]
        self.said += len(spoken)
        # Of what was cut short a part may have been understood: that is no error.
        cut = any(event.get("cut") for event in events if event["event"] == "said")
        understood = [word for text in heard for word in words(text)]
        self.errors += word_errors(spoken, understood[:len(spoken)] if cut else understood)
        self.heard.append(" | ".join(heard))
        self.utterances += len(said)
        self.understood += sum(bool(turn.get("intent")) for turn in record["turns"]
                               if turn["who"] == "callee" and not turn.get("digits"))
        self.turns_ms += [event["after_ms"] for event in events if event["event"] == "answered_callee"]
        began = next((event["ms"] for event in events if event["event"] == "stream_started"), None)
        first = next((event["from_ms"] for event in events if event["event"] == "heard"), None)
        if began is not None and first is not None:
            self.greetings_ms.append(first - began)


def quantiles(values):
    values = sorted(values)
    if not values:
        return "none"
    return (f"p50 {statistics.median(values):.0f} ms, p95 {values[int((len(values) - 1) * 0.95)]} ms, "
            f"max {values[-1]} ms ({len(values)})")


def measure(bin_dir, script, rounds, seconds):
    tables = tomllib.loads(script)
    callers = {c.number: c for c in (Caller(e, tables.get("defaults", {})) for e in tables["caller"]) if c.answers}
    with System(bin_dir, script) as system:
        contacts = system.write("contacts.csv", "phone\n" + "\n".join(callers) + "\n")
        records = system.state / "records"
        truth = system.state / "truth"
        for n in range(rounds):
            name = f"round {n + 1}"
            system.callctl("list", "create", name, contacts, "--from", "+15005550006", "--concurrency", 1)
            system.callctl("list", "start", name, "--confirm", name)
            wait_for(lambda wanted=len(callers) * (n + 1): len(list(records.glob("*/*/record.json"))) >= wanted,
                     seconds, "all calls are filed")
        for path in records.glob("*/*/record.json"):
            log = truth / path.parent.name / "events.jsonl"
            events = [json.loads(line) for line in log.read_text().splitlines()]
            callers[events[0]["to"]].add(events, json.loads(path.read_text()))
    return list(callers.values())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    parser.add_argument("--callers", type=pathlib.Path, default=EXAMPLES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=1800, help="for one round")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    callers = measure(args.bin, args.callers.read_text(), args.rounds, args.seconds)
    print(f"{os.cpu_count()} cores, load {load:.1f} before\n")
    for caller in callers:
        print(f"{caller.label:36} {caller.errors:3} of {caller.said:3} words wrong   {caller.heard[0]}")
    said, errors = sum(c.said for c in callers), sum(c.errors for c in callers)
    print(f"\nword error rate {100 * errors / max(said, 1):.1f} % ({errors} of {said} words, {args.rounds} calls a caller)")
    print(f"taken as an answer {sum(c.understood for c in callers)} of {sum(c.utterances for c in callers)} utterances")
    print(f"first audio of an answer  {quantiles([t for c in callers for t in c.turns_ms])}")
    print(f"first audio of the greeting  {quantiles([t for c in callers for t in c.greetings_ms])}")
    return 0 if said else 1


if __name__ == "__main__":
    sys.exit(main())
