"""What others write into names, numbers, variables, headers and forms: it may stand in the logs, but only inside of the line
that tells of it, in every format; and in no table can it drive the terminal.

    python3 tests/integration/injection.py build/release/bin [TestClass.test_name]
"""
import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import unittest
import urllib.parse

from harness import System, free_ports, wait_for
from terminal import Terminal

BIN = None
MARK = "injected"
# A line break with a forged line behind it, escape sequences (screen, title, 8-bit), a NUL, other line breaks of
# Unicode, and a change of direction.
EVIL = (f"{MARK}\n2026-11-27T00:00:00.000Z error api: forged\r\n<3>api: forged\x1b[2J\x1b]0;owned\x07\x00\x7f\u009b31m\u0085"
        "\u2028\u2029\u202edne\v\f")
STREAM, CALL = "MZ" + "0" * 31 + "1", "CA" + "0" * 31 + "1"
WITHOUT_NUL = EVIL.replace("\0", "")  # PostgreSQL's texts have none
FORBIDDEN = [*(chr(c) for c in [*range(0x20), 0x7F, *range(0x80, 0xA0)] if chr(c) != "\n"), "\u2028", "\u2029", "\u202e"]
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
LEVEL = r"(trace|debug|info |warn |error)"
LINE = {
    "text": re.compile(rf"{TIME} {LEVEL} [a-z]+: .*"),
    "journal": re.compile(r"<[34567]>[a-z]+: .*"),
    "json": re.compile(rf'{{"time":"{TIME}","level":"(trace|debug|info|warn|error)","module":"[a-z]+","msg":".*}}'),
}
CALLERS = """
[defaults]
ring_s = 0.3
voice = "rms"
lines = ["Yes.", "Five.", "No."]
"""


class Daemon:
    """One role, beside those of the system, whose log has the format and every level."""

    def __init__(self, system, role, form, *options):
        self.port, = free_ports(1)
        self.path = system.dir / f"{role}.{form}.log"
        self.log = open(self.path, "wb")
        info = os.fstat(self.log.fileno())
        runtime = system.dir / f"{role}.{form}"
        runtime.mkdir()
        env = {**system.env, f"CALLD_{role.upper()}_LISTEN": f"127.0.0.1:{self.port}", "CALLD_LOG_LEVEL": "trace",
               "CALLD_LOG_FORMAT": "json" if form == "json" else "auto", "CALLD_SERVICE_RUNTIME_DIR": str(runtime), "CALLD_MEDIA_SPOOL_DIR": str(runtime / "spool"),
               "CALLD_MEDIA_AUTH": "none", "CALLD_API_PUBLIC_URL": f"http://127.0.0.1:{self.port}"}
        if form == "journal":  # as systemd announces the stream that it gives a service
            env["JOURNAL_STREAM"] = f"{info.st_dev}:{info.st_ino}"
        self.process = subprocess.Popen([BIN / "calld", role, "--config", system.state / "calld.toml", *options],
                                        env=env, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def wait_ready(self):
        def answers():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.port)) == 0
        wait_for(answers, 60, f"{self.path.name}: {self.text()[-2000:]}")

    def raw(self, request, then=b""):
        """Bytes as they are, and more after the first answer; what comes back, until the other side closes or is silent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as s:
            s.settimeout(1)
            s.sendall(request)
            if then:
                first = s.recv(65536)
                s.sendall(then)
                return first
            answer = b""
            try:
                while data := s.recv(65536):
                    answer += data
            except OSError:
                pass
            return answer

    def text(self):
        return self.path.read_bytes().decode()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.log.close()


class Injection(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System(BIN, CALLERS).__enter__()
        cls.addClassCleanup(cls.system.__exit__)
        cls.token = cls.system.callctl("token", "create", "crm").strip()
        cls.key = next(cls.system.state.rglob("auth_token")).read_text().strip()

    def daemon(self, role, form, *options):
        daemon = Daemon(self.system, role, form, *options)
        self.addCleanup(daemon.process.kill)
        daemon.wait_ready()
        return daemon

    def well_formed(self, daemon, form):
        """Each line of the log is one event, and some tell of what was injected."""
        text = daemon.text()
        self.assertIn(MARK, text, "nothing of it reached the log: this test shows nothing")
        self.assertTrue(text.endswith("\n"))
        for line in text.removesuffix("\n").split("\n"):
            self.assertRegex(line, LINE[form].pattern + r"\Z")
            for character in FORBIDDEN:
                self.assertNotIn(character, line)
            if form == "json":
                self.assertNotIn("forged", json.loads(line)["module"])

    def http(self, daemon, method, target, body=b"", **headers):
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        return daemon.raw(head.encode("utf-8", "surrogateescape") + b"\r\n" + body)

    def webhook(self, daemon, path, form):
        url = f"http://127.0.0.1:{daemon.port}{path}"
        signed = url + "".join(name + value for name, value in sorted(form.items()))
        digest = hmac.new(self.key.encode(), signed.encode(), hashlib.sha1).digest()
        return self.http(daemon, "POST", path, urllib.parse.urlencode(form).encode(),
                         Content_Type="application/x-www-form-urlencoded",
                         X_Twilio_Signature=base64.b64encode(digest).decode())

    def inject_into_api(self, api, n):
        bearer = f"Bearer {self.token}"
        quoted = urllib.parse.quote(EVIL)
        people = [{"phone": "+12125550101", "name": WITHOUT_NUL, "variables": {"city": WITHOUT_NUL, WITHOUT_NUL[:20]: "x"}},
                  {"phone": WITHOUT_NUL, "name": "Dana"}]
        for name in (f"list {n}", f"{WITHOUT_NUL} {n}", f"{EVIL} {n}"):
            self.http(api, "POST", "/v1/lists", json.dumps({"name": name, "from": "+14155550100", "entries": people}).encode(),
                      Authorization=bearer, Content_Type="application/json", Idempotency_Key=f"{MARK}-{n}-{name[-12:].strip()}")
        rows = f'phone,name\n+12125550101,"{WITHOUT_NUL}"\n"{WITHOUT_NUL}",x\n'
        self.http(api, "POST", f"/v1/lists?name=csv-{n}&from=%2B14155550100&{quoted}={quoted}", rows.encode(),
                  Authorization=bearer, Content_Type="text/csv")
        self.http(api, "POST", f"/v1/lists?name={quoted}-{n}&from={quoted}", rows.encode(), Authorization=bearer,
                  Content_Type="text/csv")
        for target in (f"/v1/lists/{quoted}", f"/v1/lists?limit={quoted}", f"/{quoted}", f"/twilio/status/{quoted}",
                       f"/v1/lists/list%20{n}/start", f"/v1/calls/{quoted}"):
            self.http(api, "GET", target, Authorization=bearer)
            self.http(api, "POST", target, EVIL.encode(), Authorization=bearer, Content_Type="application/json")
        for raw in (f"GET /{EVIL} HTTP/1.1\r\nHost: x\r\n\r\n", f"{EVIL} / HTTP/1.1\r\n\r\n",
                    f"GET /v1/lists HTTP/1.1\r\nHost: {EVIL}\r\nX-Forwarded-For: {EVIL}\r\nAuthorization: Bearer {EVIL}\r\n\r\n",
                    f"GET /{MARK}\x1b[2J\x07 HTTP/1.1\r\nHost: x\r\nUser-Agent: \x1b[2J\r\n\r\n",
                    f"GET /{MARK} HTTP/1.1\r\nHost: x\r\nX-Evil: a\r\n\tforged\r\n\r\n"):
            api.raw(raw.encode())
        for value in (EVIL, WITHOUT_NUL):
            for path in ("/twilio/status/", "/twilio/answer/", "/twilio/amd/", "/twilio/stream/"):
                form = {"CallSid": value, "AccountSid": value, "CallStatus": value, "To": value, "From": value,
                        "CallerName": value, "SipHeader_X-Evil": value, "ErrorMessage": value, value: value}
                self.webhook(api, path + MARK, form)
                self.webhook(api, path + quoted, {**form, "CallSid": "CA" + "0" * 32, "CallStatus": "completed"})

    def test_the_log_of_the_api(self):
        for n, form in enumerate(LINE):
            with self.subTest(form):
                api = self.daemon("api", form)
                self.inject_into_api(api, n)
                self.assertIn(b"200 OK", self.http(api, "GET", "/healthz"))
                api.stop()
                self.well_formed(api, form)

    def test_the_log_of_the_worker(self):
        """Jobs from anybody who can reach Redis: names, arguments, descriptions, failures."""
        ctl = self.system.callctl
        for form in LINE:
            with self.subTest(form):
                queue = f"{MARK}-{form}"
                for words in ([EVIL.replace("\0", ""), "1"], ["calld.dial_list", json.dumps(EVIL)],
                              ["calld.file_call_record", json.dumps(f"/{EVIL}")], ["calld.noop", json.dumps(EVIL)],
                              ["exec:/bin/sh", json.dumps(EVIL)]):
                    ctl("job", "enqueue", queue, *words, "--description", WITHOUT_NUL)
                ctl("list", "create", f"by-{form}", self.people(), "--from", "+14155550100")
                ctl("list", "start", f"by-{form}", "--confirm", f"by-{form}")
                worker = self.daemon("worker", form, "--queues", queue, "--name", f"{MARK}-{form}")
                wait_for(lambda: not any(q["name"] == queue and q["queued"] + q["started"] for q in
                                         self.system.json("queue", "ls")["items"]), 60, "the jobs are done")
                worker.stop()
                self.well_formed(worker, form)

    def people(self):
        return self.system.write("people.csv", f'phone,name,city\n+12125550101,"{WITHOUT_NUL}","{WITHOUT_NUL}"\n"{WITHOUT_NUL}",,\n')

    def test_the_log_of_the_media_server(self):
        start = {"event": "start", "sequenceNumber": "1", "streamSid": EVIL,
                 "start": {"accountSid": EVIL, "streamSid": EVIL, "callSid": EVIL, "tracks": ["inbound"],
                           "mediaFormat": {"encoding": EVIL, "sampleRate": 8000, "channels": 1},
                           "customParameters": {"agent": EVIL, EVIL: EVIL}}}
        good = {**start, "streamSid": STREAM, "start": {
            **start["start"], "accountSid": "AC" + CALL[2:], "streamSid": STREAM, "callSid": CALL, "customParameters": {"agent": "echo", EVIL: EVIL},
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}}}
        nobody = {**good, "start": {**good["start"], "customParameters": {"agent": EVIL}}}
        strange = [nobody, good, start, {"event": EVIL}, {EVIL: EVIL}, {**start, "sequenceNumber": EVIL}]
        more = [{"event": "mark", "streamSid": STREAM, "mark": {"name": EVIL}},
                {"event": "dtmf", "streamSid": STREAM, "dtmf": {"track": EVIL, "digit": EVIL}},
                {"event": "media", "streamSid": STREAM, "media": {"track": EVIL, "payload": EVIL, "timestamp": EVIL}},
                {"event": EVIL, "streamSid": STREAM}, {"event": "stop", "streamSid": STREAM, "stop": {"callSid": EVIL}}]
        for form in LINE:
            with self.subTest(form):
                media = self.daemon("media", form)
                for message in strange:
                    self.stream(media, [{"event": "connected", "protocol": EVIL}, message, *more])
                self.stream(media, [EVIL, good])
                for raw in (f"GET /ws/twilio-media/{urllib.parse.quote(EVIL)} HTTP/1.1\r\nHost: x\r\n\r\n",
                            f"GET /ws/{EVIL} HTTP/1.1\r\nHost: {EVIL}\r\nX-Forwarded-For: {EVIL}\r\n\r\n"):
                    media.raw(raw.encode())
                media.stop()
                self.well_formed(media, form)

    def stream(self, media, messages):
        """A WebSocket that says all of it and is cut."""
        frames = b""
        for message in messages:
            data = (message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)).encode()
            size = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0xFE]) + len(data).to_bytes(2, "big")
            frames += b"\x81" + size + b"\0\0\0\0" + data  # masked with zeros
        answer = media.raw(b"GET /ws/twilio-media HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n", frames)
        self.assertIn(b"101 Switching Protocols", answer)

    def test_no_table_lets_it_drive_the_terminal(self):
        ctl, nasty = self.system.callctl, WITHOUT_NUL
        ctl("list", "create", f"table {nasty}", self.people(), "--from", "+14155550100")
        ctl("dnc", "add", "+14155550188", "--note", nasty)
        ctl("policy", "set", "nasty", "-", stdin=f"description = {json.dumps(nasty)}\n")
        ctl("job", "enqueue", f"queue {nasty}", nasty, nasty)
        ctl("job", "enqueue", "default", nasty, nasty, "--wait", code=1)
        ctl("list", "create", "dialed", self.people(), "--from", "+14155550100")
        ctl("list", "start", "dialed", "--confirm", "dialed")
        ctl("list", "wait", "dialed", "--timeout", "120")
        call = wait_for(lambda: self.system.json("call", "ls")["items"], 30, "a call record")[0]["call_sid"]
        failed = self.system.json("queue", "show", "default", "--set", "failed")["items"][0]["id"]
        env = {**self.system.env, "CALLD_CONFIG": str(self.system.state / "calld.toml"), "TERM": "xterm"}
        shown = ""
        for words in (["list", "ls"], ["list", "show", f"table {nasty}"], ["list", "entries", f"table {nasty}"],
                      ["list", "entries", "dialed"], ["list", "explain", "dialed/2"], ["dnc", "ls"], ["policy", "ls"],
                      ["policy", "show", "nasty"], ["queue", "ls"], ["queue", "show", f"queue {nasty}"], ["job", "ls"],
                      ["queue", "show", "default", "--by-reason"], ["job", "show", failed], ["call", "ls"],
                      ["call", "show", call], ["attempt", "ls"], ["worker", "ls"], ["cleanup", "ls"], ["token", "ls"],
                      ["list", "show", nasty], ["job", "show", nasty], ["top", "--count", "1"]):
            for form in ("table", "json", "ndjson", "csv"):
                if words[0] == "top" and form == "csv":
                    continue
                with self.subTest(f"{words} {form}"):
                    with Terminal([BIN / "callctl", "--no-color", "--no-pager", "-o", form, *words], env, 50, 150) as terminal:
                        terminal.finish()
                        text = terminal.text
                    if words[0] == "top" and form == "table":
                        continue  # it draws a screen: with escape sequences of its own
                    for character in FORBIDDEN:
                        if character not in "\r\n":
                            self.assertNotIn(character, text)
                    self.assertNotRegex(text, r"(?m)^(2026-11-27T00:00:00|<3>)", "a line of its own")
                    shown += text
        self.assertIn(MARK, shown)


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
