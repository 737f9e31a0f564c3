"""The whole path with the real programs: a CSV goes in, spoken conversations come out, every entry ends as it must.

    python3 tests/integration/whole_path.py build/release/bin [TestClass.test_name]
"""
import http.server
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import wave

from harness import ROOT, System, free_ports, wait_for

SCRIPT = """
[defaults]
ring_s = 0.5
voice = "rms"
lines = ["Yes.", "Five.", "No."]

[[caller]]
number = "+12125550102"
label = "busy"
pickup = "busy"

[[caller]]
number = "+12125550103"
label = "nobody"
pickup = "no_answer"

[[caller]]
number = "+12125550104"
label = "machine"
pickup = "voicemail"
greeting = "Hello. You have reached the voice mail of the Miller family. Please leave a message after the tone."

[[caller]]
number = "+12125550105"
label = "hangs up in the middle of the question"
lines = [{ hang_up = true, interrupt_after_ms = 1500 }]

[[caller]]
number = "+12125550106"
label = "keys the answers"
lines = ["Yes.", { press = "4" }, "Yes."]
"""

CONTACTS = """phone,name,expected,hoped
+12125550101,Ada Lovelace,completed,completed
+12125550102,Busy Bee,busy,completed
+12125550103,Nobody Home,no_answer,completed
+12125550104,The Millers,machine,completed
+12125550105,Hanna Hangup,completed,completed
+12125550106,דנה כהן,completed,completed
+1999,Invalid Number,refused,completed
(212) 555-0101,Ada Again,refused,completed
+12125550107,Zoë 🙂,completed,completed
"""

BIN = None


RECEPTIONIST = """
prompt = "You connect callers."
greeting = "Hello there. How can I help you?"
builtin_tools = ["hang_up", "transfer"]
[transfers]
reception = "+14155550100"
[listener]
provider = "embedded"
phrases = ["yes", "no", "[a] person please"]
[model]
provider = "openai"
url = "http://127.0.0.1:{port}/v1"
model = "m"
[voice]
provider = "embedded"
"""


class Model(http.server.BaseHTTPRequestHandler):
    """A language model that connects whoever says anything."""
    CHUNKS = ({"content": "I connect you now."},
              {"tool_calls": [{"index": 0, "id": "c1", "type": "function",
                               "function": {"name": "transfer", "arguments": '{"to": "reception"}'}}]})

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        text = "".join(f"data: {json.dumps({'choices': [{'index': 0, 'delta': delta, 'finish_reason': None}]})}\n\n"
                       for delta in self.CHUNKS)
        text += 'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}\n\ndata: [DONE]\n\n'
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class Transfers(unittest.TestCase):
    """A model's tool reaches the carrier: it leaves our stream and dials."""

    def test_a_caller_is_connected(self):
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model) as model:
            thread = threading.Thread(target=model.serve_forever)
            thread.start()
            try:
                self.connect(model.server_port)
            finally:
                model.shutdown()
                thread.join()

    def connect(self, port):
        with tempfile.TemporaryDirectory(prefix="calld-agents-", dir="/tmp") as agents:
            pathlib.Path(agents).chmod(0o755)
            (pathlib.Path(agents) / "receptionist.toml").write_text(RECEPTIONIST.replace("{port}", str(port)))
            with System(BIN, '[defaults]\nring_s = 0.5\nvoice = "rms"\nlines = ["A person please."]\n',
                        env={"CALLD_MEDIA_AGENTS_DIR": agents}) as system:
                contacts = system.write("c.csv", "phone,name\n+12125550101,Ada\n")
                _, entries = system.dial("people", contacts, "--agent", "receptionist")
                calls = wait_for(lambda: system.json("call", "ls", "--list", "people")["items"], 30, "the call is filed")
                record = system.json("call", "show", calls[0]["call_sid"])
                self.assertEqual((record["outcome"], record["end_reason"]), ("transferred", "transferred"), record)
                self.assertEqual(record["answers"], {"transferred_to": "reception"})
                self.assertEqual(record["turns"][-1]["heard_text"], "I connect you now.")
                self.assertEqual(entries[0]["outcome"], "completed")
                events = (system.state / "truth" / calls[0]["call_sid"] / "events.jsonl").read_text()
                self.assertIn("<Dial>", events, "the carrier was told to dial")


INTERRUPTERS = """
[defaults]
ring_s = 0.5
voice = "rms"
noise_dbov = -55
lines = ["Yes.", { say = "Five.", interrupt_after_ms = 2800 }, "No."]

[[caller]]
number = "+12125550102"
label = "in a quiet room, with another voice"
voice = "kal16"
noise_dbov = -75
"""


class Detectors(unittest.TestCase):
    """Either voice detector holds a whole conversation with people who interrupt, on a quiet line and on a noisy one."""

    def test_a_conversation_with_an_interruption(self):
        with tempfile.TemporaryDirectory(prefix="calld-agents-", dir="/tmp") as agents:
            pathlib.Path(agents).chmod(0o755)
            survey = (ROOT / "core/flow/agents/survey.toml").read_text()
            for vad in ("neural", "energy"):
                (pathlib.Path(agents) / f"{vad}.toml").write_text(f'{survey}\n[turns]\nvad = "{vad}"\n')
            with System(BIN, INTERRUPTERS, env={"CALLD_MEDIA_AGENTS_DIR": agents}) as system:
                contacts = system.write("c.csv", "phone\n+12125550101\n+12125550102\n")
                for vad in ("neural", "energy"):
                    with self.subTest(vad):
                        self.converse(system, vad, contacts)

    def converse(self, system, vad, contacts):
        code, entries = system.dial(vad, contacts, "--agent", vad, "--concurrency", 2)
        self.assertEqual((code, [e["outcome"] for e in entries]), (0, ["completed"] * 2), entries)
        calls = wait_for(lambda: (rows := system.json("call", "ls", "--list", vad)["items"])[1:] and rows, 30, "both are filed")
        for call in calls:
            record = system.json("call", "show", call["call_sid"])
            self.assertEqual((record["outcome"], record["answers"]), ("answered", {"satisfaction": "5", "callback": "no"}), record)
            cut = [t for t in record["turns"] if t["who"] == "agent" and t.get("interrupted")]
            self.assertEqual(len(cut), 1, record["turns"])
            self.assertLess(len(cut[0]["heard_text"]), len(cut[0]["text"]))
            self.assertTrue(system.json("call", "replay", call["call_sid"])["identical"])


class WholePath(unittest.TestCase):
    """One system, one list dialed once; the tests look at what came of it."""

    @classmethod
    def setUpClass(cls):
        cls.system = System(BIN, SCRIPT).__enter__()
        cls.addClassCleanup(cls.system.__exit__)
        contacts = cls.system.write("contacts.csv", CONTACTS)
        cls.code, cls.entries = cls.system.dial("people", contacts, "--region", "US", "--amd", "async",
                                                "--ring-timeout", 15, "--concurrency", 9,
                                                "--calls-per-second", 10)
        wait_for(lambda: len(cls.calls()) == 5, 30, "all five conversations are filed")

    @classmethod
    def calls(cls):
        return cls.system.json("call", "ls", "--list", "people")["items"]

    def entry(self, name):
        return next(e for e in self.entries if e["name"] == name)

    def record(self, name):
        return self.system.json("call", "show", self.entry(name)["call_sid"])

    def test_every_entry_ends_as_the_list_expects(self):
        self.assertEqual([(e["name"], e["outcome"]) for e in self.entries],
                         [(e["name"], e["var.expected"]) for e in self.entries])
        self.assertEqual(self.code, 0)
        self.system.callctl("list", "wait", "people", "--expect", "expected")

    def test_an_expectation_that_is_not_met_is_reported(self):
        run = self.system.callctl_run("list", "wait", "people", "--expect", "hoped")
        self.assertEqual(run.returncode, 1)
        self.assertIn("line 3: +1212*****02 ended as busy, expected completed", run.stderr)
        self.assertEqual(run.stderr.count("expected completed"), 5)

    def test_refused_rows_keep_their_reason(self):
        self.assertEqual(self.entry("Invalid Number")["reason"], "invalid_number")
        self.assertEqual(self.entry("Ada Again")["reason"], "duplicate")

    def test_the_agent_understood_the_spoken_answers(self):
        answers = self.record("Ada Lovelace")["answers"]
        self.assertIn("5", answers.values(), answers)

    def test_a_keyed_answer_counts_as_a_spoken_one(self):
        record = self.record("דנה כהן")
        self.assertIn("4", record["answers"].values(), record["answers"])

    def test_the_agent_says_good_bye_and_hangs_up(self):
        record = self.record("Ada Lovelace")
        self.assertEqual(record["end_reason"], "completed")
        self.assertIn("bye", record["turns"][-1]["text"].lower())

    def test_a_caller_who_hangs_up_ends_the_call(self):
        self.assertEqual(self.record("Hanna Hangup")["end_reason"], "caller_hung_up")

    def test_a_recording_has_two_tracks_with_sound_in_both(self):
        record = self.record("Ada Lovelace")
        with wave.open(record["path"] + "/audio.wav") as audio:
            self.assertEqual((audio.getnchannels(), audio.getframerate(), audio.getsampwidth()), (2, 8000, 2))
            seconds = audio.getnframes() / 8000
            samples = memoryview(audio.readframes(audio.getnframes())).cast("h")
        self.assertAlmostEqual(seconds, record["duration_ms"] / 1000, delta=1.0)
        for track in (samples[0::2], samples[1::2]):
            self.assertGreater(max(abs(s) for s in track.tolist()), 2000)

    def test_every_answer_has_a_waterfall(self):
        record = self.record("Ada Lovelace")
        spoken = [t for t in record["turns"] if t["who"] == "callee" and t["text"]]
        self.assertGreaterEqual(len(spoken), 3)
        heard = [w for w in record["waterfalls"] if w.get("first_heard_ms") is not None]
        self.assertGreaterEqual(len(heard), 3)
        for waterfall in heard:
            self.assertGreater(waterfall["first_heard_ms"], waterfall["speech_end_ms"])

    def test_a_person_can_read_the_call(self):
        text = self.system.callctl("call", "show", self.entry("Ada Lovelace")["call_sid"])
        self.assertIn("Turn gaps", text)
        self.assertIn("callee", text)
        self.assertIn("audio.wav", text)

    def test_every_conversation_is_decided_again_as_it_was(self):
        for call in self.calls():
            with self.subTest(call=call["call_sid"]):
                replay = self.system.json("call", "replay", call["call_sid"])
                self.assertIsNone(replay["difference"])
                self.assertTrue(replay["identical"] and replay["complete"], replay)
                self.assertGreater(replay["session_decisions"], 20)
                self.assertGreater(replay["conversation_decisions"], 3)

    def test_a_changed_tape_is_a_difference(self):
        record = self.record("Ada Lovelace")
        tape = bytearray(open(record["path"] + "/capture.tape", "rb").read())
        at = tape.index(b'"payload":"', len(tape) // 4) + 40
        tape[at] ^= 1
        changed = self.system.write("changed.tape", "")
        changed.write_bytes(tape)
        run = self.system.callctl_run("call", "replay", "--file", changed)
        self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
        self.assertIn("The session differs at", run.stdout)
        self.assertNotIn("identical", run.stdout)

    def test_the_words_of_an_answer_have_their_times(self):
        spoken = [t for t in self.record("Ada Lovelace")["turns"] if t["who"] == "callee" and t["text"]]
        for turn in spoken:
            words = turn["words"]
            self.assertEqual(" ".join(w["text"] for w in words), turn["text"])
            self.assertTrue(all(w["start_ms"] < w["end_ms"] for w in words), words)
            self.assertGreater(words[0]["start_ms"], turn["start_ms"] - 300)
            self.assertLess(words[-1]["end_ms"], turn["end_ms"] + 300)

    def test_no_audible_gap_was_counted_by_the_simulator(self):
        status, body = self.system.http("sim", "/sim/report")
        self.assertEqual(status, 200)
        report = json.loads(body)
        self.assertEqual(report["gaps"], 0, report)

    def test_one_create_per_attempt_reached_the_carrier(self):
        report = json.loads(self.system.http("sim", "/sim/report")[1])
        self.assertEqual(report["calls"], 7, report)

    def test_starting_a_finished_list_again_dials_nobody(self):
        run = self.system.callctl_run("list", "start", "people", "--confirm", "people")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("already completed", run.stderr)
        self.assertEqual(self.system.json("list", "show", "people")["state"], "completed")

    def test_daemons_report_health_and_metrics(self):
        for role in ("api", "media", "sim", "worker"):
            with self.subTest(role=role):
                self.assertEqual(self.system.http(role, "/healthz")[0], 200)
                self.assertEqual(self.system.http(role, "/readyz")[0], 200)
                status, metrics = self.system.http(role, "/metrics")
                self.assertEqual(status, 200)
                self.assertIn("# TYPE ", metrics)

    def test_log_levels_change_while_it_runs(self):
        self.system.callctl("log-level", "worker", "dialer", "debug")
        levels = self.system.json("log-level", "worker")["items"]
        self.assertIn({"module": "dialer", "level": "debug"}, levels)

    def test_doctor_finds_nothing_that_keeps_it_from_calling(self):
        findings = self.system.json("doctor")["items"]
        self.assertEqual([f for f in findings if f["severity"] == "error"], [])

    def test_queues_and_workers_are_shown(self):
        queues = {q["name"]: q for q in self.system.json("queue", "ls")["items"]}
        self.assertEqual(queues["dial"]["queued"], 0)
        self.assertEqual(queues["dial"]["failed"], 0)
        self.assertEqual(queues["records"]["failed"], 0)
        self.assertTrue(self.system.json("worker", "ls")["items"])


class Mistakes(unittest.TestCase):
    """What a person gets wrong, and what they are told."""

    @classmethod
    def setUpClass(cls):
        cls.system = System(BIN, SCRIPT).__enter__()
        cls.addClassCleanup(cls.system.__exit__)

    def create(self, name, text, *options, code=0):
        run = self.system.callctl_run("list", "create", name, "-", "--from", "+15005550006", *options, stdin=text)
        self.assertEqual(run.returncode, code, run.stderr)
        return run.stderr

    def lists(self):
        return [item["name"] for item in self.system.json("list", "ls")["items"]]

    def test_a_missing_column_names_the_columns_there_are(self):
        self.assertIn("no column is called 'phone'; the columns are: number, name",
                      self.create("a", "number,name\n1,2\n", code=2))
        self.assertNotIn("a", self.lists())

    def test_a_wrong_encoding_names_the_line(self):
        path = self.system.dir / "latin1.csv"
        path.write_bytes("phone,name\n+12125550101,Zo\xeb\n".encode("latin-1"))
        run = self.system.callctl_run("list", "create", "b", path, "--from", "+15005550006")
        self.assertEqual(run.returncode, 2)
        self.assertIn("line 2, field 2: the text is not UTF-8", run.stderr)

    def test_a_huge_line_is_refused(self):
        self.assertIn("line 2: the record is longer than 1048576 bytes",
                      self.create("c", 'phone\n"' + "x" * 5_000_000, code=1))

    def test_strict_refuses_the_whole_file(self):
        said = self.create("d", "phone\n+12125550101\n+1999\n", "--strict", code=2)
        self.assertIn("line 3", said)
        self.assertNotIn("d", self.lists())

    def test_a_dry_run_writes_nothing(self):
        self.create("e", "phone\n+12125550101\n", "--dry-run")
        self.assertNotIn("e", self.lists())

    def test_the_same_key_makes_one_list(self):
        self.create("f", "phone\n+12125550101\n", "--key", "k1")
        self.assertIn("was made with this key before", self.create("f", "phone\n+12125550102\n", "--key", "k1"))
        self.assertEqual(len(self.system.entries("f")), 1)

    def test_an_interrupted_import_leaves_nothing(self):
        process = subprocess.Popen(
            [self.system.bin / "callctl", "list", "create", "g", "-", "--from", "+15005550006"],
            stdin=subprocess.PIPE, env={**self.system.env, "CALLD_CONFIG": str(self.system.state / "calld.toml")})
        process.stdin.write(b"phone\n" + b"".join(b"+1212555%04d\n" % n for n in range(100, 5000)))
        process.stdin.flush()
        time.sleep(0.5)  # some of it is in the transaction by now, or not: either way nothing may remain
        process.kill()
        process.wait()
        process.stdin.close()
        self.assertNotIn("g", self.lists())
        self.create("g", "phone\n+12125550101\n")

    def test_starting_needs_the_name_again(self):
        self.create("h", "phone\n+12125550101\n")
        run = self.system.callctl_run("list", "start", "h")
        self.assertEqual(run.returncode, 2)
        self.assertIn("--confirm=h", run.stderr)
        self.assertEqual(self.system.json("list", "show", "h")["state"], "draft")

    def test_a_cancelled_list_calls_nobody(self):
        self.create("i", "phone\n+12125550101\n+1999\n")
        self.system.callctl("list", "cancel", "i", "--confirm", "i")
        outcomes = [e["outcome"] for e in self.system.entries("i")]
        self.assertEqual(outcomes, ["cancelled", "refused"])
        self.assertEqual(self.system.callctl_run("list", "start", "i", "--confirm", "i").returncode, 1)

    def test_exit_codes_tell_what_went_wrong(self):
        self.system.callctl("list", "show", "no-such-list", code=3)
        self.system.callctl("list", "frobnicate", code=2)
        self.system.callctl("--tenant", "nobody", "list", "ls", code=3)

    def test_another_tenant_sees_nothing(self):
        self.create("j", "phone\n+12125550101\n")
        self.system.callctl("tenant", "create", "other")
        self.system.callctl("--tenant", "other", "list", "show", "j", code=3)
        self.assertEqual(self.system.json("--tenant", "other", "list", "ls")["items"], [])
        token = self.system.callctl("--tenant", "other", "token", "create", "t").strip()
        list_id = self.system.json("list", "show", "j")["id"]
        headers = {"Authorization": f"Bearer {token}"}
        self.assertEqual(self.system.http("api", f"/v1/lists/{list_id}", headers=headers)[0], 404)
        self.assertEqual(self.system.http("api", f"/v1/lists/{list_id}/start", "POST", "", headers)[0], 404)
        self.assertEqual(self.system.http("api", "/v1/lists")[0], 401)

    def test_an_unreachable_service_is_exit_69(self):
        port = free_ports(1)[0]
        for variable, words in (("CALLD_DATABASE_URL", ("list", "ls")), ("CALLD_REDIS_URL", ("queue", "ls"))):
            scheme = "postgresql" if "DATABASE" in variable else "redis"
            run = self.system.callctl_run(*words, env={variable: f"{scheme}://x:y@127.0.0.1:{port}/0"})
            self.assertEqual(run.returncode, 69, run.stderr)
            self.assertIn(str(port), run.stderr)

    def test_a_state_directory_in_use_is_one_sentence(self):
        run = subprocess.run([self.system.bin / "calld", "up", "--state-dir", self.system.state], env=self.system.env,
                             capture_output=True, text=True, check=False, timeout=60)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("in use", run.stderr)

    def test_a_busy_port_is_one_sentence(self):
        with socket.socket() as busy:
            busy.bind(("127.0.0.1", 0))
            busy.listen()
            port = busy.getsockname()[1]
            run = subprocess.run([self.system.bin / "calld", "api", "--listen", f"127.0.0.1:{port}"],
                                 env={**self.system.env, "CALLD_CONFIG": str(self.system.state / "calld.toml"),
                                      "CALLD_SERVICE_RUNTIME_DIR": str(self.system.dir / "other-run")},
                                 capture_output=True, text=True, check=False, timeout=60)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn(str(port), run.stderr)
        self.assertIn("in use", run.stderr)


class Recovery(unittest.TestCase):
    """Processes die in the middle of a list; the list ends all the same, and nobody is called twice."""

    def setUp(self):
        self.system = System(BIN, SCRIPT).__enter__()
        self.addCleanup(self.system.__exit__)

    def pid_of(self, role):
        status = json.loads(subprocess.run(
            [self.system.bin / "calld", "up", "--state-dir", self.system.state, "--status", "--json"],
            env=self.system.env, capture_output=True, text=True, check=True).stdout)
        return status["roles"][role]["pid"]

    def dial_and_kill(self, role):
        numbers = [f"+1212555{n}" for n in ("0110", "0111", "0112", "0113", "0114", "0115")]
        contacts = self.system.write("c.csv", "phone\n" + "\n".join(numbers) + "\n")
        self.system.callctl("list", "create", "l", contacts, "--from", "+15005550006", "--concurrency", "2",
                            "--calls-per-second", "2")
        self.system.callctl("list", "start", "l", "--confirm", "l")
        wait_for(lambda: self.system.json("list", "show", "l")["active"] >= 1, 30, "a call is under way")
        os.kill(self.pid_of(role), signal.SIGKILL)
        self.system.callctl("list", "wait", "l", "--timeout", "240")
        called = [c["to"] for c in json.loads(self.system.http("sim", "/sim/calls")[1])["calls"]]
        self.assertEqual(sorted(called), numbers, "each number exactly once")
        self.assertEqual([e["outcome"] for e in self.system.entries("l")], ["completed"] * len(numbers))

    def test_the_worker_is_killed_in_the_middle_of_a_list(self):
        self.dial_and_kill("worker")

    def test_the_api_is_killed_in_the_middle_of_a_list(self):
        self.dial_and_kill("api")

    def test_the_media_server_is_killed_in_the_middle_of_a_call(self):
        contacts = self.system.write("c.csv", "phone\n+12125550110\n")
        self.system.callctl("list", "create", "l", contacts, "--from", "+15005550006")
        self.system.callctl("list", "start", "l", "--confirm", "l")
        recordings = lambda: list((self.system.state / "spool").glob("*.part/audio.wav"))
        wait_for(lambda: [p for p in recordings() if p.stat().st_size > 100_000], 60, "a call is being recorded")
        os.kill(self.pid_of("media"), signal.SIGKILL)
        calls = wait_for(lambda: self.system.json("call", "ls")["items"], 60, "the killed call's record is filed")
        self.assertEqual([c["end_reason"] for c in calls], ["server_died"])
        record = self.system.json("call", "show", calls[0]["call_sid"])
        with wave.open(record["path"] + "/audio.wav") as audio:
            self.assertEqual(audio.getnframes(), record["recording"]["samples"])
            self.assertGreater(audio.getnframes(), 8000)
        replay = self.system.json("call", "replay", calls[0]["call_sid"])
        self.assertTrue(replay["identical"], replay)
        self.assertFalse(replay["complete"])

    def test_a_python_rq_client_enqueues_a_job(self):
        config = (self.system.state / "calld.toml").read_text()
        url = next(line.split('"')[1] for line in config.splitlines() if line.startswith("url") and "redis://" in line)
        code = ("import sys, time, redis, rq\n"
                "connection = redis.Redis.from_url(sys.argv[1])\n"
                "job = rq.Queue('default', connection=connection).enqueue('calld.noop', 1, 'two', [3.5, None])\n"
                "end = time.time() + 20\n"
                "while job.get_status() != 'finished' and time.time() < end: time.sleep(0.05)\n"
                "print(job.get_status(), job.result)\n"
                "import subprocess\n"
                "print(subprocess.run(['rq', 'info', '-u', sys.argv[1]], capture_output=True, text=True).stdout)\n")
        # Debian's own Python has Debian's rq; another python3 on the PATH may not.
        run = subprocess.run(["/usr/bin/python3", "-c", code, url], capture_output=True, text=True, check=False,
                             timeout=60)
        self.assertIn("finished [1, 'two', [3.5, None]]", run.stdout, run.stderr)
        self.assertIn("workers", run.stdout)


def load_tests(loader, tests, _):
    return tests


if __name__ == "__main__":
    BIN = sys.argv.pop(1)
    unittest.main(verbosity=2)
