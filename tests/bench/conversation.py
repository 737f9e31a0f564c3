"""Conversations with scripted engines over real sockets: how much of the turn gap is the server's own?

    python3 tests/bench/conversation.py build/release/bin [--calls 200] [--seconds 60] [--realtime]

`calld media` runs on core 0, the callers and the engines on core 1. The engines take 100 ms for the final transcript,
150 ms to the model's first word and 80 ms to the voice's first audio; what a turn takes beyond that and beyond the
silence that ends it is the server's own share, measured between the engines' own log lines:

    final transcript sent -> request received, first sentence sent -> text received, audio sent -> media received
"""
import argparse
import collections
import json
import os
import pathlib
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


def heard_errors(spool, events):
    """What the record says was heard of interrupted answers, against what the callers' clocks played."""
    truth = collections.defaultdict(list)
    for event in events:
        if event["what"] == "clear":
            truth[event["call"]].append(event["heard_ms"])
    errors = []
    for folder in pathlib.Path(spool).glob("CA*"):
        if not (folder / "record.json").exists():
            continue
        record = json.loads((folder / "record.json").read_text())
        said = [t["heard_ms"] for t in record["turns"] if t["who"] == "agent" and t.get("interrupted")]
        for recorded, real in zip(said, truth[int(folder.name[2:]) - 100000]):
            errors.append(abs(recorded - real))
    return errors


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--realtime", action="store_true",
                        help="real-time priority for callers, engines and the server's media loop, on a busy machine")
    args = parser.parse_args()
    ahead = ["chrt", "-r", "5"] if args.realtime else []
    bin_dir = pathlib.Path(args.bin).resolve()
    with tempfile.TemporaryDirectory() as directory:
        base = pathlib.Path(directory)
        engines = pinned(1, [*ahead, str(bin_dir / "scripted_engines"), "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        port = int(engines.stdout.readline())
        (base / "agents").mkdir()
        (base / "agents" / "bench.toml").write_text(AGENT.format(port=port))
        media_port = 18000 + os.getpid() % 4000
        (base / "calld.toml").write_text(
            f'[service]\nruntime_dir = "{base}"\n[media]\nlisten = "127.0.0.1:{media_port}"\nauth = "none"\nloops = 1\n'
            f'max_calls = {args.calls + 10}\nspool_dir = "{base}/spool"\nagents_dir = "{base}/agents"\n')
        log = open(base / "media.log", "w")
        media = pinned(0, [str(bin_dir / "calld"), "media", "--config", str(base / "calld.toml")], stderr=log)
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{media_port}/readyz", timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        if args.realtime:
            raise_loops(media.pid)
        load = pinned(1, [*ahead, str(bin_dir / "conversation_load"), f"ws://127.0.0.1:{media_port}/ws/twilio-media",
                          str(args.calls), str(args.seconds)], stdout=subprocess.PIPE)
        began = time.monotonic()
        events = [json.loads(line) for line in load.communicate()[0].splitlines()]
        elapsed = time.monotonic() - began
        cpu = sum(float(x) for x in pathlib.Path(f"/proc/{media.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])
        memory = [line for line in pathlib.Path(f"/proc/{media.pid}/status").read_text().splitlines() if "VmHWM" in line]
        media.send_signal(signal.SIGTERM)
        media.wait(60)
        steps = [json.loads(line) for line in engines.communicate()[0].splitlines()]
        first_media = {e["turn"]: e["t"] for e in reversed(events) if e["what"] == "media"}
        turns = trace(steps)
        rows = own_shares(turns, first_media)
        shares = [sum(row) for row in rows]
        barge = [(e["t"] - e["onset"]) / 1000 for e in events if e["what"] == "clear" and "onset" in e]
        gaps = [e for e in events if e["what"] == "gap"]
        bad = [e for e in events if e["what"] in ("lost", "bad_message")]
        ticks = os.sysconf("SC_CLK_TCK")
        print(f"{args.calls} calls at once for {args.seconds} s, {len(turns)} turns; server: "
              f"{100 * cpu / ticks / elapsed:.0f} % of its core, {memory[0].split(':')[1].strip()} at most")
        print("own share of the turn gap: ", quantiles(shares, "ms"))
        for (name, *_), values in zip(STEPS, zip(*rows)):
            print(f"    {name}: ", quantiles(values, "ms"))
        print("barge-in, onset to clear:  ", quantiles(barge, "ms"))
        print("error of the heard text:   ", quantiles(heard_errors(base / "spool", events), "ms"))
        print(f"gaps over 40 ms: {len(gaps)}; calls lost: {len(bad)}")
        if bad:
            print((base / "media.log").read_text()[-2000:], file=sys.stderr)
    return 0 if shares and not bad else 1


if __name__ == "__main__":
    sys.exit(main())
