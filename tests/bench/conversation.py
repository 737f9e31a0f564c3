"""Conversations with scripted engines over real sockets: how much of the turn gap is the server's own?

    python3 tests/bench/conversation.py build/release/bin [--calls 200] [--seconds 60] [--realtime]
    python3 tests/bench/conversation.py build/release/bin --calls 100 --rounds 30                 half an hour: does memory grow?
    python3 tests/bench/conversation.py build/release/bin --calls 200 --rounds 500 --seconds 1    100,000 short calls

The same server takes the calls of every round, one round behind the other, and its memory is read when a round's calls are over.

`calld media` runs on core 0, the callers and the engines on core 1. The engines take 100 ms for the final transcript,
150 ms to the model's first word and 80 ms to the voice's first audio; what a turn takes beyond that and beyond the
silence that ends it is the server's own share, measured between the engines' own log lines:

    final transcript sent -> request received, first sentence sent -> text received, audio sent -> media received
"""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cores import raise_loops  # noqa: E402

AGENT = """
prompt = "Be brief."
greeting = "Hello there, how can I help you?"
[listener]
provider = "deepgram"
url = "ws://127.0.0.1:{port}/v1/listen"
[model]
provider = "openai"
url = "http://127.0.0.1:{port}/v1"
model = "scripted"
[voice]
provider = "elevenlabs"
url = "ws://127.0.0.1:{port}"
voice = "v"
[conversation]
end_after_ms = 300
speculative = false
"""


def pinned(core, command, **more):
    return subprocess.Popen(["taskset", "-c", str(core), *command], text=True, **more)


def quantiles(values, unit):
    values = sorted(values)
    if not values:
        return "none"
    at = lambda q: values[min(int(len(values) * q), len(values) - 1)]
    return f"p50 {at(.5):.1f}, p99 {at(.99):.1f}, max {values[-1]:.1f} {unit} (n={len(values)})"


def trace(steps):
    """Per turn: when each step happened, in microseconds."""
    turns = collections.defaultdict(dict)
    for step in steps:
        if step["turn"]:
            turns[step["turn"]].setdefault(step["what"], step["t"])
    return turns


STEPS = (("final transcript -> request", "final", "chat_request"), ("sentence -> text for the voice", "chat_sentence", "voice_text"),
         ("audio -> caller", "voice_audio", "media"))


def own_shares(turns, media):
    """Milliseconds of each step that is the server's, a row a turn. media: turn -> when its caller got the first audio."""
    rows = []
    for name, turn in turns.items():
        turn = {**turn, "media": media.get(name)}
        if all(turn.get(key) for _, *keys in STEPS for key in keys):
            rows.append([(turn[end] - turn[begin]) / 1000 for _, begin, end in STEPS])
    return rows


FILED = "CA*[0-9]"  # folders of records that are complete


def heard_errors(spool, events):
    """What the record says was heard of interrupted answers, against what the callers' clocks played."""
    truth = collections.defaultdict(list)
    for event in events:
        if event["what"] == "clear":
            truth[event["call"]].append(event["heard_ms"])
    errors = []
    for folder in pathlib.Path(spool).glob(FILED):
        record = json.loads((folder / "record.json").read_text())
        said = [t["heard_ms"] for t in record["turns"] if t["who"] == "agent" and t.get("interrupted")]
        for recorded, real in zip(said, truth[int(folder.name[2:]) - 100000]):
            errors.append(abs(recorded - real))
    return errors


class Server:
    """`calld media` on core 0, with agents that the scripted engines serve."""

    def __init__(self, bin_dir, base, engines_port, calls):
        self.spool = base / "spool"
        self.log = base / "media.log"
        self.port = 18000 + os.getpid() % 4000
        (base / "agents").mkdir()
        (base / "agents" / "bench.toml").write_text(AGENT.format(port=engines_port))
        (base / "calld.toml").write_text(
            f'[service]\nruntime_dir = "{base}"\n[media]\nlisten = "127.0.0.1:{self.port}"\nauth = "none"\nloops = 1\n'
            f'max_calls = {calls + 10}\nspool_dir = "{self.spool}"\nagents_dir = "{base}/agents"\n')
        with open(self.log, "w") as log:
            self.process = pinned(0, [str(bin_dir / "calld"), "media", "--config", str(base / "calld.toml")], stderr=log)
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1)
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(map(float, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def memory_kb(self, what):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{what}:\s+(\d+)", status).group(1))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def run_rounds(args, bin_dir, server, ahead):
    """The callers' events, the errors of the heard text, and the server's memory behind every round."""
    events, errors, memory = [], [], []
    for n in range(args.rounds):
        load = pinned(1, [*ahead, str(bin_dir / "conversation_load"), f"ws://127.0.0.1:{server.port}/ws/twilio-media",
                          str(args.calls), str(args.seconds), str(n * args.calls)], stdout=subprocess.PIPE)
        these = [json.loads(line) for line in load.communicate()[0].splitlines()]
        deadline = time.monotonic() + 30
        while len(list(server.spool.glob(f"{FILED}/record.json"))) < args.calls and time.monotonic() < deadline:
            time.sleep(0.1)
        events += these
        errors += heard_errors(server.spool, these)
        memory.append(server.memory_kb("VmRSS"))
        for folder in server.spool.glob(FILED):
            shutil.rmtree(folder)
    return events, errors, memory


def show_memory(args, memory):
    shown = memory[::max(len(memory) // 10, 1)] + memory[-1:]
    print(f"{args.rounds} rounds, {args.rounds * args.calls} calls; memory from the first round to the last: "
          f"{', '.join(map(str, shown))} kB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin")
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--realtime", action="store_true",
                        help="real-time priority for callers, engines and the server's media loop, on a busy machine")
    parser.add_argument("--work", help="where records are spooled; a tmpfs spares a slow disk", default=None)
    args = parser.parse_args()
    ahead = ["chrt", "-r", "5"] if args.realtime else []
    bin_dir = pathlib.Path(args.bin).resolve()
    with tempfile.TemporaryDirectory(dir=args.work) as directory, contextlib.ExitStack() as started:
        engines = pinned(1, [*ahead, str(bin_dir / "scripted_engines"), "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.callback(engines.kill)
        server = Server(bin_dir, pathlib.Path(directory), int(engines.stdout.readline()), args.calls)
        started.callback(server.process.kill)
        if args.realtime:
            raise_loops(server.process.pid)
        began = time.monotonic()
        events, errors, memory = run_rounds(args, bin_dir, server, ahead)
        busy = server.cpu_s() / (time.monotonic() - began)
        most_kb = server.memory_kb("VmHWM")
        server.stop()
        steps = [json.loads(line) for line in engines.communicate()[0].splitlines()]
        first_media = {e["turn"]: e["t"] for e in reversed(events) if e["what"] == "media"}
        turns = trace(steps)
        rows = own_shares(turns, first_media)
        shares = [sum(row) for row in rows]
        barge = [(e["t"] - e["onset"]) / 1000 for e in events if e["what"] == "clear" and "onset" in e]
        gaps = [e for e in events if e["what"] == "gap"]
        bad = [e for e in events if e["what"] in ("lost", "bad_message")]
        print(f"{args.calls} calls at once for {args.seconds} s, {len(turns)} turns; server: {100 * busy:.0f} % of its core, {most_kb} kB at most")
        if args.rounds > 1:
            show_memory(args, memory)
        print("own share of the turn gap: ", quantiles(shares, "ms"))
        for (name, *_), values in zip(STEPS, zip(*rows)):
            print(f"    {name}: ", quantiles(values, "ms"))
        print("barge-in, onset to clear:  ", quantiles(barge, "ms"))
        print("error of the heard text:   ", quantiles(errors, "ms"))
        print(f"gaps over 40 ms: {len(gaps)}; calls lost: {len(bad)}")
        if bad:
            print(server.log.read_text()[-2000:], file=sys.stderr)
    return 0 if shares and not bad else 1


if __name__ == "__main__":
    sys.exit(main())
