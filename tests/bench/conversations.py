"""So many simulated conversations at once on this machine: does the audio ever stutter, and what do the turns cost?

    python3 tests/bench/conversations.py build/release/bin [--calls 50] [--seconds 240]

The simulator, which plays what it is sent by a 20 ms clock, counts the gaps: the carrier's buffer ran dry for more than
40 ms while the agent was still speaking. The same run with one call is the baseline of the turn gaps.
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from harness import System, wait_for  # noqa: E402

SCRIPT = """
[defaults]
ring_s = 0.3
lines = ["Yes.", "Four.", "No."]
"""
VOICES = ("rms", "slt", "kal16")


def script(calls):
    text = SCRIPT
    for n in range(calls):
        text += f'\n[[caller]]\nnumber = "+1212555{1000 + n}"\nvoice = "{VOICES[n % len(VOICES)]}"\n'
    return text


def gap_ms(record):
    return [w["first_heard_ms"] - w["speech_end_ms"] for w in record["waterfalls"]
            if w.get("first_heard_ms") is not None and w.get("speech_end_ms") is not None]


def run(bin_dir, calls, seconds):
    env = {"CALLD_CARRIER_CALLS_PER_SECOND": "50", "CALLD_SIM_CALLS_PER_SECOND": "50"}
    with System(bin_dir, script(calls), env) as system:
        rows = "\n".join(f"+1212555{1000 + n},{n}" for n in range(calls))
        contacts = system.write("contacts.csv", f"phone,n\n{rows}\n")
        code, entries = system.dial("bench", contacts, "--concurrency", calls, "--calls-per-second", 50,
                                    timeout=seconds)
        wait_for(lambda: len(system.json("call", "ls", "--limit", 1000)["items"]) == calls, 60, "all calls are filed")
        report = json.loads(system.http("sim", "/sim/report")[1])
        records = [system.json("call", "show", c["call_sid"])
                   for c in system.json("call", "ls", "--limit", 1000)["items"]]
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    gaps = sorted(g for r in records for g in gap_ms(r))
    answered = sum(len(r["answers"]) >= 2 for r in records)
    lateness = [sum(c) for c in zip(*(r["counters"]["lateness"]["counts"] for r in records))]
    return {"calls": calls, "exit": code, "completed": sum(e["outcome"] == "completed" for e in entries),
            "all_answers_understood": answered, "gaps": report["gaps"], "longest_gap_ms": report.get("longest_gap_ms"),
            "peak_calls": report.get("peak_calls"), "turns": len(gaps), "turn_gap_p50_ms": statistics.median(gaps),
            "turn_gap_p95_ms": gaps[int(len(gaps) * 0.95)], "sender_lateness": lateness,
            "cpu_s": round(children.ru_utime + children.ru_stime, 1)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=240)
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores")
    baseline = run(args.bin, 1, args.seconds)
    print(json.dumps(baseline))
    loaded = run(args.bin, args.calls, args.seconds)
    print(json.dumps(loaded))
    print(f"{args.calls} calls against 1: turn gap p50 {loaded['turn_gap_p50_ms'] / baseline['turn_gap_p50_ms']:.2f}x, "
          f"p95 {loaded['turn_gap_p95_ms'] / baseline['turn_gap_p95_ms']:.2f}x; gaps over 40 ms: {loaded['gaps']}")
    return 0 if loaded["gaps"] == 0 and loaded["completed"] == args.calls else 1


if __name__ == "__main__":
    sys.exit(main())
