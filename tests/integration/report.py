"""Reports and the live screen, with the real programs: pages in a real browser, `callctl top` in a real terminal.

    python3 tests/integration/report.py build/release/bin [TestClass.test_name]
"""
import html.parser
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
import wave

from harness import System, wait_for

SCRIPT = """
[defaults]
ring_s = 0.3
voice = "rms"
lines = ["Yes.", "Five.", "No."]

[[caller]]
number = "+12125550102"
pickup = "busy"

[[caller]]
number = "+12125550103"
lines = [{ hang_up = true, interrupt_after_ms = 1500 }]
"""

NASTY = "</td><script>document.title='owned'</script>\"'&"

CONTACTS = f"""phone,name
+12125550101,דנה כהן
+12125550102,Busy Bee
+12125550103,"{NASTY.replace('"', '""')}"
+12125550104,Zoë 🙂
"""

BIN = None


class Page(html.parser.HTMLParser):
    """Elements of a page with their attributes and the text inside."""

    VOID = {"meta", "img", "br", "input", "link", "hr", "source"}

    def __init__(self, text):
        super().__init__()
        self.open, self.all = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "text": "", **{name: value or "" for name, value in attrs}}
        self.all.append(element)
        if tag not in self.VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        if any(element["tag"] == tag for element in self.open):
            while self.open.pop()["tag"] != tag:
                pass

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def find(self, tag, cls=None, **attributes):
        return [e for e in self.all if e["tag"] == tag and (cls is None or cls in e.get("class", "").split())
                and all(e.get(k) == v for k, v in attributes.items())]


def browser():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return name
    raise AssertionError("no chromium: packaging/install-deps test installs it")


def browse(url, *flags):
    """Loads the page in a browser without a window, network or history; its standard output."""
    with tempfile.TemporaryDirectory(prefix="calld-chromium-") as profile:
        run = subprocess.run(
            [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
             "--no-first-run", "--disable-dev-shm-usage", f"--user-data-dir={profile}",
             *flags, url],
            capture_output=True, text=True, check=False, timeout=180)
    if run.returncode != 0:
        raise AssertionError(f"the browser failed ({run.returncode}): {run.stderr[-2000:]}")
    return run.stdout


def in_browser(path, fragment=""):
    """The page's DOM after it was loaded and its script has run."""
    return Page(browse(path.as_uri() + fragment, "--dump-dom"))


class AudioServer(http.server.BaseHTTPRequestHandler):
    """Serves one page with an image in it that arrives when the browser has opened every audio, or failed to.

    A browser without a window prints the page as soon as it has loaded, which the image puts off. The page's own
    policy, which forbids the image, is taken out for that.
    """
    page = ""
    opened = threading.Event()

    WAIT = """<img src="/wait"><script>
      const all = [...document.querySelectorAll("audio")];
      const settled = (a) => new Promise((done) => {
        if (a.readyState > 0 || a.error) done();
        a.addEventListener("loadedmetadata", done);
        a.addEventListener("error", done);
      });
      Promise.all(all.map(settled)).then(() => fetch("/opened"));
    </script></body>"""

    def do_GET(self):
        body, kind = b"", "text/html; charset=utf-8"
        if self.path == "/":
            text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", self.page)
            body = text.replace("</body>", self.WAIT).encode()
        elif self.path == "/opened":
            self.opened.set()
        elif self.path == "/wait":
            self.opened.wait(120)
            kind = "image/gif"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def with_audio_opened(path):
    """The page's DOM when every audio in it has been opened."""
    handler = type("Handler", (AudioServer,), {"page": path.read_text(), "opened": threading.Event()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            return Page(browse(f"http://127.0.0.1:{server.server_port}/", "--dump-dom"))
        finally:
            server.shutdown()
            thread.join()


class Screen:
    """A terminal of tmux's, on a server of its own."""

    def __init__(self, env, columns=100, rows=30):
        self.dir = tempfile.mkdtemp(prefix="calld-tmux-")
        self.env = {**env, "TERM": "xterm-256color"}
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "env PS1='ready> ' sh")
        wait_for(lambda: "ready>" in self.text(), 20, "a shell in tmux")

    def tmux(self, *words):
        return subprocess.run(["tmux", "-S", f"{self.dir}/socket", "-f", "/dev/null", *words], env=self.env,
                              capture_output=True, text=True, check=True, timeout=30).stdout

    def text(self):
        return self.tmux("capture-pane", "-p")

    def type(self, *keys):
        self.tmux("send-keys", *keys)

    def wait(self, what, seconds=30):
        wait_for(lambda: re.search(what, self.text()), seconds, f"{what!r} on the screen:\n{self.text()}")

    def close(self):
        self.tmux("kill-server")
        shutil.rmtree(self.dir, ignore_errors=True)


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System(BIN, SCRIPT).__enter__()
        cls.addClassCleanup(cls.system.__exit__)
        contacts = cls.system.write("contacts.csv", CONTACTS)
        _, cls.entries = cls.system.dial("people", contacts, "--concurrency", 4, "--calls-per-second", 10)
        wait_for(lambda: len(cls.calls()) == 3, 30, "the three conversations are filed")
        cls.list_file = cls.system.write("list.html", cls.system.callctl("report", "list", "people"))
        cls.page = in_browser(cls.list_file)

    @classmethod
    def calls(cls):
        return cls.system.json("call", "ls", "--list", "people")["items"]

    def test_the_list_has_every_entry_with_its_outcome(self):
        table = self.page.find("table", "entries")
        self.assertEqual(len(table), 1)
        text = table[0]["text"]
        for name in ("דנה כהן", "Busy Bee", "Zoë 🙂", NASTY):
            self.assertIn(name, text)
        badges = [e["text"] for e in self.page.find("span", "badge") if e["text"] in ("completed", "busy")]
        self.assertEqual((badges.count("completed"), badges.count("busy")), (3 + 1, 1))  # the list's own state, too
        self.assertIn("busy", self.page.find("table", "outcome-table")[0]["text"])

    def test_names_are_text_and_nothing_else(self):
        self.assertEqual(len(self.page.find("script")), 1)
        self.assertEqual(self.page.find("title")[0]["text"], "List people")
        self.assertTrue([e for e in self.page.find("bdi") if e["text"] == NASTY])

    def test_right_to_left_names_are_isolated(self):
        self.assertTrue([e for e in self.page.find("bdi") if e["text"] == "דנה כהן"])

    def test_every_conversation_can_be_heard_in_the_browser(self):
        calls = {c["call_sid"]: c for c in self.calls()}
        details = {e["id"]: e for e in self.page.find("details")}
        self.assertEqual(set(details), {"call-" + sid for sid in calls})
        page = with_audio_opened(self.list_file)
        figures = page.find("figure", "timeline")
        self.assertEqual(len(figures), 3)
        for figure in figures:
            self.assertNotIn("data-broken", figure)
            self.assertAlmostEqual(float(figure["data-audio"]) * 1000, float(figure["data-ms"]), delta=1000)
        self.assertEqual(len(page.find("div", "live")), 3, "the script has run")

    def test_a_link_opens_its_conversation(self):
        sid = self.calls()[0]["call_sid"]
        link = self.page.find("a", href=f"#call-{sid}")
        self.assertEqual(len(link), 1)
        opened = [e["id"] for e in in_browser(self.list_file, f"#call-{sid}").find("details") if "open" in e]
        self.assertEqual(opened, [f"call-{sid}"])

    def test_a_call_of_its_own(self):
        entry = next(e for e in self.entries if e["name"] == "דנה כהן")
        path = self.system.write("call.html", self.system.callctl("report", "call", entry["call_sid"]))
        page = in_browser(path)
        record = self.system.json("call", "show", entry["call_sid"])
        transcript = page.find("ol", "transcript")[0]["text"]
        for turn in record["turns"]:
            self.assertIn(turn["text"], transcript)
        rows = page.find("table", "waterfall")[0]["text"]
        for waterfall in record["waterfalls"]:
            self.assertIn(str(waterfall["first_heard_ms"] - waterfall["speech_end_ms"]), rows)
        self.assertEqual(len(page.find("path")), 2)
        figures = with_audio_opened(path).find("figure", "timeline")
        self.assertEqual(len(figures), 1)
        self.assertNotIn("data-broken", figures[0])
        self.assertAlmostEqual(float(figures[0]["data-audio"]) * 1000, float(figures[0]["data-ms"]), delta=1000)
        self.assertNotIn("+12125550101", page.find("body")[0]["text"], "numbers are masked")

    def test_a_report_prints(self):
        pdf = self.system.dir / "list.pdf"
        browse(self.list_file.as_uri(), f"--print-to-pdf={pdf}")
        self.assertEqual(pdf.read_bytes()[:5], b"%PDF-")

    def test_the_audio_can_be_bounded(self):
        page = Page(self.system.callctl("report", "list", "people", "--audio-mib", "0"))
        self.assertEqual(page.find("audio"), [])
        self.assertIn("3 conversations are without their audio", page.find("body")[0]["text"])
        self.assertEqual(len(page.find("svg")), 6)

    def test_what_is_not_there_is_exit_3(self):
        self.system.callctl("report", "call", "CAnothing", code=3)
        self.system.callctl("report", "list", "nothing", code=3)

    def test_a_person_sees_the_timeline_in_the_terminal(self):
        entry = next(e for e in self.entries if e["name"] == "דנה כהן")
        text = self.system.callctl("call", "show", entry["call_sid"])
        agent = next(line for line in text.splitlines() if line.strip().startswith("agent  "))
        self.assertRegex(agent, "[▁▂▃▄▅▆▇█]{5,}")


class Redaction(unittest.TestCase):
    """What must not be kept is in no file, and silent in the recording."""

    def test_chosen_words_are_gone_from_a_real_call(self):
        with System(BIN, SCRIPT, env={"CALLD_RECORD_REDACT_WORDS": "five,customer service"}) as system:
            contacts = system.write("contacts.csv", "phone,name\n+12125550101,Ada\n")
            _, entries = system.dial("people", contacts)
            wait_for(lambda: system.json("call", "ls")["items"], 30, "the conversation is filed")
            record = system.json("call", "show", entries[0]["call_sid"])
            said = [t["text"] for t in record["turns"] if t["who"] == "callee"]
            self.assertIn("[redacted]", said)
            folder = pathlib.Path(record["path"])
            self.assertFalse((folder / "capture.tape").exists(), "a tape would hold what was redacted")
            for name in ("record.json", "transcript.txt"):
                self.assertNotRegex((folder / name).read_text(), r"(?i)\b(five|customer service)\b", name)
            spans = [s for s in record["recording"]["masked"] if s["track"] == "callee"]
            self.assertTrue(spans)
            with wave.open(str(folder / "audio.wav")) as audio:
                samples = memoryview(audio.readframes(audio.getnframes())).cast("h")[0::2].tolist()
            self.assertGreater(max(map(abs, samples)), 2000, "the other answers are there")
            for span in spans:
                masked = samples[span["start_ms"] * 8:span["end_ms"] * 8]
                self.assertEqual((min(masked), max(masked)), (0, 0), span)
            self.assertEqual(system.callctl_run("call", "replay", entries[0]["call_sid"]).returncode, 3)


class Top(unittest.TestCase):
    def setUp(self):
        self.system = System(BIN, SCRIPT).__enter__()
        self.addCleanup(self.system.__exit__)
        self.env = {**self.system.env, "CALLD_CONFIG": str(self.system.state / "calld.toml"),
                    "PATH": f"{BIN}:{os.environ['PATH']}"}

    def start_list(self):
        numbers = "".join(f"+1212555{n:04}\n" for n in range(110, 116))
        contacts = self.system.write("c.csv", "phone\n" + numbers)
        self.system.callctl("list", "create", "spring", contacts, "--from", "+15005550006", "--concurrency", "2",
                            "--calls-per-second", "2")
        self.system.callctl("list", "start", "spring", "--confirm", "spring")

    def test_it_lives_in_a_terminal_and_leaves_it_clean(self):
        screen = Screen(self.env)
        self.addCleanup(screen.close)
        screen.type("echo before-$((40+2))", "Enter")
        screen.wait("before-42")
        screen.type("callctl top --interval 0.3", "Enter")
        screen.wait("postgresql ok +redis ok")
        self.start_list()
        screen.wait(r"in-progress +spring")
        screen.wait(r"LISTS +1 running")
        screen.wait(r"spring +running +[█▒·]+ +\d/6")
        screen.wait(r"dial +\d")
        screen.wait(r"WORKERS +\d")
        self.assertNotIn("before-42", screen.text(), "a screen of its own")
        screen.type("Space")
        screen.wait("PAUSED")
        screen.type("Space")
        screen.tmux("resize-window", "-x", "60", "-y", "14")
        screen.wait(r"q quit")
        self.assertLessEqual(max(map(len, screen.text().splitlines())), 60)
        screen.type("q")
        screen.wait(r"(?m)^before-42$")
        screen.wait(r"ready>\s*\Z")  # the shell reads again: what is typed before it does is shown out of place
        screen.type("stty -a | tr ';' '\\n' | grep -c -- ' -icanon\\| -echo '", "Enter")
        screen.wait(r"(?m)^0$")

    def test_ctrl_c_ends_it(self):
        screen = Screen(self.env)
        self.addCleanup(screen.close)
        screen.type("callctl top", "Enter")
        screen.wait("postgresql ok")
        screen.type("C-c")
        screen.wait(r"(?m)^ready> *$")
        screen.type("echo code $?", "Enter")
        screen.wait("code 0")

    def test_it_survives_redis_and_postgresql_being_away(self):
        screen = Screen(self.env, columns=140)
        self.addCleanup(screen.close)
        screen.type("callctl top --interval 0.3", "Enter")
        screen.wait("postgresql ok +redis ok")
        self.system.stop()
        screen.wait("postgresql AWAY +redis AWAY", 60)
        self.system.start()
        screen.wait("postgresql ok +redis ok", 60)
        screen.type("q")
        screen.wait(r"(?m)^ready> *$")

    def test_a_stream_for_scripts(self):
        self.start_list()  # a queue exists once something was enqueued
        lines = self.system.callctl("-o", "ndjson", "top", "--count", "3", "--interval", "0.2").splitlines()
        looks = [json.loads(line) for line in lines]
        self.assertEqual(len(looks), 3)
        for look in looks:
            self.assertIsNone(look["database_error"])
            self.assertTrue(look["workers"])
            self.assertIn("dial", [q["name"] for q in look["queues"]])
        one = self.system.json("top")
        self.assertEqual(one["version"], 1)
        text = self.system.callctl("top")
        self.assertIn("WORKERS", text)
        self.assertNotIn("\x1b", text)
        self.assertEqual(self.system.callctl_run("-o", "csv", "top").returncode, 2)

    def test_a_stream_ends_when_told_to(self):
        process = subprocess.Popen([self.system.bin / "callctl", "-o", "ndjson", "top", "--interval", "0.2"],
                                   env=self.env, stdout=subprocess.PIPE, text=True)
        self.assertIn('"version":1', process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        self.assertEqual(process.wait(30), 0)
        process.stdout.close()

    def test_one_look_at_nothing_is_exit_69(self):
        self.system.stop()
        run = self.system.callctl_run("-o", "json", "top")
        self.assertEqual(run.returncode, 69)
        look = json.loads(run.stdout)
        self.assertTrue(look["database_error"] and look["redis_error"])


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
