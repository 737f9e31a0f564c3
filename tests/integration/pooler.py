#!/usr/bin/env python3
"""A list is dialed by an API and a worker that reach PostgreSQL only through PgBouncer in transaction mode, with the
settings of packaging/examples/machines/pgbouncer.ini, and PgBouncer is restarted in its middle.

    python3 tests/integration/pooler.py BIN_DIR [TestClass[.test_name]]
"""
import collections
import json
import pathlib
import subprocess
import sys
import tomllib
import types
import unittest
import urllib.parse

from harness import ROOT, System, free_ports, wait_for
from private_servers import PgBouncer

BIN = None
NUMBERS = [f"+1202555{n:04}" for n in range(100, 140)]


class Pooler(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Its own worker has nothing to do, and nobody is told of its own API.
        cls.system = cls.enterClassContext(System(BIN, "[defaults]\nring_s = 0.5\n", {"CALLD_WORKER_QUEUES": "idle"}))
        config = tomllib.loads((cls.system.state / "calld.toml").read_text())
        server = urllib.parse.urlsplit(config["database"]["url"])
        cls.pooler = cls.enterClassContext(PgBouncer(
            types.SimpleNamespace(port=server.port), ROOT / "packaging/examples/machines/pgbouncer.ini",
            password=server.password, default_pool_size=4))
        api, worker = free_ports(2)
        runtime = cls.system.dir / "pooled"
        runtime.mkdir()
        cls.env = {**cls.system.env, "CALLD_CONFIG": str(cls.system.state / "calld.toml"),
                   "CALLD_DATABASE_URL": cls.pooler.url(), "CALLD_API_LISTEN": f"127.0.0.1:{api}",
                   "CALLD_API_PUBLIC_URL": f"http://127.0.0.1:{api}", "CALLD_WORKER_LISTEN": f"127.0.0.1:{worker}",
                   "CALLD_WORKER_QUEUES": "dial,records,default", "CALLD_SERVICE_RUNTIME_DIR": str(runtime)}
        cls.logs = {}
        for role in ("api", "worker"):
            log = cls.enterClassContext(open(cls.system.dir / f"pooled-{role}.log", "wb"))
            process = subprocess.Popen([cls.system.bin / "calld", role], stdout=log, stderr=log, env=cls.env)
            cls.addClassCleanup(process.wait, 60)
            cls.addClassCleanup(process.terminate)
            cls.logs[role] = pathlib.Path(log.name)
        for role in cls.logs:
            wait_for(lambda role=role: b"ready:" in cls.logs[role].read_bytes(), 60, cls.logs[role])

    def callctl(self, *words, code=0):
        return self.system.callctl(*words, code=code, env=self.env)

    def show(self):
        return json.loads(self.callctl("-o", "json", "list", "show", "pooled"))

    def test_a_list_through_a_pooler_that_restarts(self):
        people = self.system.write("people.csv", "phone\n" + "\n".join(NUMBERS) + "\n")
        self.callctl("list", "create", "pooled", people, "--from", "+15005550006", "--concurrency", "8",
                     "--calls-per-second", "8", "--time-limit", "10")
        self.callctl("list", "start", "pooled", "--confirm", "pooled")
        wait_for(lambda: 8 <= self.show()["done"] < len(NUMBERS), 120, "the list is in its middle")
        self.pooler.stop()
        self.pooler.start()
        self.callctl("list", "wait", "pooled", "--timeout", "240")
        shown = self.show()
        self.assertEqual((shown["done"], shown["unknown_attempts"]), (len(NUMBERS), 0), shown)
        # What the carrier saw: every number, once.
        status, calls = self.system.http("sim", "/sim/calls")
        self.assertEqual(status, 200)
        called = collections.Counter(call["to"] for call in json.loads(calls)["calls"])
        self.assertEqual(called, dict.fromkeys(NUMBERS, 1))
        # The servers' sessions were shared: more clients than the pool has connections.
        for role, path in self.logs.items():
            self.assertNotIn(b"prepared statement", path.read_bytes(), role)

    def test_the_doctor_sees_the_pooler(self):
        run = self.system.callctl_run("-o", "json", "doctor", "--local", env=self.env)
        found = {f["check"]: f for f in json.loads(run.stdout)["items"]}
        self.assertIn("postgresql pooler", found)


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
