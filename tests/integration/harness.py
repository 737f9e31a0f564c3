"""Runs the real binaries: `calld up` in a directory of its own on free loopback ports, `callctl` against it.

Only the standard library. Everything that a System starts ends with it.
"""
import csv
import io
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROLES = ("api", "media", "sim", "worker")
READY_SECONDS = 120


def free_ports(count):
    """Ports that were free a moment ago; held together so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def wait_for(condition, seconds, what):
    """Polls until the condition holds; its last value is returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.1)


class Running:
    """Started on entering; on leaving, or when the start fails, stopped and its directory removed."""

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


class System(Running):
    """`calld up` with a simulator script. A context manager."""

    def __init__(self, bin_dir, script, env=None):
        self.bin = pathlib.Path(bin_dir)
        # Not below a home directory: run by root, PostgreSQL's own user must reach it.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="calld-test-", dir="/tmp"))
        self.dir.chmod(0o755)
        self.state = self.dir / "state"
        self.script = self.dir / "callers.toml"
        self.script.write_text(script)
        self.ports = dict(zip(ROLES, free_ports(len(ROLES))))
        self.env = {**os.environ, "CALLD_SIM_SCRIPT": str(self.script), "TERM": "dumb", **(env or {})}
        for role, port in self.ports.items():
            self.env[f"CALLD_{role.upper()}_LISTEN"] = f"127.0.0.1:{port}"
        self.process = None

    def start(self):
        self.log = open(self.dir / "up.log", "ab")
        self.process = subprocess.Popen([self.bin / "calld", "up", "--state-dir", self.state], env=self.env,
                                        stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        ready = subprocess.run([self.bin / "calld", "up", "--state-dir", self.state, "--wait-ready",
                                str(READY_SECONDS)], env=self.env, capture_output=True, text=True, check=False)
        if ready.returncode != 0:
            raise AssertionError(f"calld up is not ready: {ready.stderr}\n{self.logs()}")

    def stop(self, sig=signal.SIGTERM):
        if self.process is None:
            return
        self.process.send_signal(sig)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
        self.log.close()

    def logs(self):
        """The ends of all logs, for a failed assertion."""
        text = ""
        for path in [self.dir / "up.log", *sorted((self.state / "log").glob("*.log"))]:
            if path.exists():
                text += f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-25:]) + "\n"
        return text

    def callctl(self, *words, code=0, stdin=None, env=None):
        """Runs one command and returns its standard output; the exit code must be as given."""
        run = self.callctl_run(*words, stdin=stdin, env=env)
        if run.returncode != code:
            raise AssertionError(f"callctl {' '.join(map(str, words))}: exit {run.returncode}, wanted {code}\n"
                                 f"{run.stdout}{run.stderr}\n{self.logs()}")
        return run.stdout

    def callctl_run(self, *words, stdin=None, env=None):
        return subprocess.run([self.bin / "callctl", *map(str, words)], input=stdin, text=True, capture_output=True,
                              check=False, timeout=300,
                              env={**self.env, "CALLD_CONFIG": str(self.state / "calld.toml"), **(env or {})})

    def commands(self, *words):
        """Every command of callctl, by asking each level for its help."""
        text = re.split(r"^Examples:\s*$", self.callctl(*words, "--help"), flags=re.M)[0]
        section = re.split(r"^Subcommands:\s*$", text, flags=re.M)
        if len(section) == 1:
            return [" ".join(words)]
        found = []
        for name in re.findall(r"^ {2}([a-z][a-z-]*)\b", section[1], flags=re.M):
            found += self.commands(*words, name)
        return found

    def json(self, *words, code=0):
        return json.loads(self.callctl("-o", "json", *words, code=code))

    def entries(self, name):
        return list(csv.DictReader(io.StringIO(self.callctl("list", "export", name))))

    def http(self, role, path, method="GET", body=None, headers=None):
        """(status, body text) of a request to one of the daemons."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[role]}{path}", method=method,
                                         data=body.encode() if body is not None else None, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def write(self, name, text):
        path = self.dir / name
        path.write_text(text)
        return path

    def dial(self, name, contacts, *options, timeout=240):
        """Creates, starts and awaits a list; the exit code of `list wait` and the entries."""
        self.callctl("list", "create", name, contacts, "--from", "+15005550006", *options)
        self.callctl("list", "start", name, "--confirm", name)
        wait = self.callctl_run("-o", "json", "list", "wait", name, "--timeout", timeout)
        return wait.returncode, self.entries(name)
