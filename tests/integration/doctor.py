#!/usr/bin/env python3
"""callctl doctor: each thing that it can find wrong is made wrong, and it must say so, how bad it is, why, and what
mends it. Where the remedy is a command that fits here, it is run, and the finding must be gone.

    python3 tests/integration/doctor.py BIN_DIR [TestClass[.test_name]]
"""
import ctypes
import functools
import json
import os
import pathlib
import pwd
import re
import shlex
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import tomllib
import unittest

from harness import ROOT, System, free_ports, wait_for
from private_servers import Liar, PgBouncer, Postgres, Redis, web_server

BIN = None
POOLER = ROOT / "packaging/examples/machines/pgbouncer.ini"
# What a repair begins with. All but the last are programs of Debian or of calld's packages.
PROGRAMS = {"apt-get", "calld", "callctl", "chown", "curl", "du", "install", "mkdir", "redis-cli", "ss", "sudo", "sudoedit",
            "systemctl", "tail", "timedatectl",
            "pay"}  # no command puts money into the carrier's account


@functools.cache
def is_a_command(repair):
    """As the shell that it is pasted into reads it."""
    read = subprocess.run(["bash", "-nc", repair], capture_output=True, check=False)
    return read.returncode == 0 and repair.split()[0] in PROGRAMS


class Doctor(unittest.TestCase):
    """A system that is well, and the doctor's view of it with one thing changed."""

    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System(BIN, ""))
        cls.config = tomllib.loads((cls.system.state / "calld.toml").read_text())

    def examine(self, *options, code, env=None):
        """Every finding as (check, severity, detail, repair), all of the documented form."""
        run = self.system.callctl_run("-o", "json", "doctor", *options, env=env)
        if code is not None:
            self.assertEqual(run.returncode, code, f"{run.stdout}\n{run.stderr}")
        findings = json.loads(run.stdout)["items"]
        for finding in findings:
            self.assertIn(finding["severity"], ("ok", "warning", "error"), finding)
            self.assertTrue(finding["detail"], finding)
            self.assertEqual(bool(finding["repair"]), finding["severity"] != "ok", finding)
            if finding["repair"]:
                self.assertTrue(is_a_command(finding["repair"]), finding)
        return findings

    def expect(self, check, severity, detail="", repair="", options=("--local",), env=None, code=None):
        """The doctor has this finding; the exit code follows from it, as nothing else is wrong enough to change it."""
        findings = self.examine(*options, env=env, code=code if code is not None else int(severity == "error"))
        found = [f for f in findings if f["check"] == check]
        self.assertTrue(found, f"no finding {check} among {findings}")
        fitting = [f for f in found if f["severity"] == severity and re.search(detail, f["detail"])
                   and re.search(repair, f["repair"] or "")]
        self.assertTrue(fitting, f"wanted {severity}, {detail!r}, {repair!r}; got {found}")
        return fitting[0]


class Well(Doctor):
    def test_a_system_that_is_well_has_no_error(self):
        findings = self.examine(code=0)
        by_check = {f["check"]: f["severity"] for f in findings}
        for check in ("configuration", "postgresql", "schema", "postgresql version", "postgresql synchronous_commit",
                      "postgresql connections", "clock of postgresql", "tenant", "leftovers", "redis", "redis version",
                      "redis eviction", "redis persistence", "clock of redis", "workers", "api", "worker", "media",
                      "media.spool_dir", "worker.records_dir", "time zones", "carrier",
                      "clock of the carrier", "api.public_url", "webhook signature", "media.public_url"):
            self.assertEqual(by_check.get(check), "ok", f"{check} in {findings}")

    def test_what_monitoring_reads(self):
        self.assertLessEqual({f["severity"] for f in self.examine("--problems", code=0)}, {"warning"})
        run = self.system.callctl_run("-q", "-o", "ndjson", "doctor", "--local", env={"CALLD_REDIS_URL": self.nobody()})
        self.assertEqual(run.returncode, 1)
        lines = [json.loads(line) for line in run.stdout.splitlines()]
        self.assertEqual([f["severity"] for f in lines if f["check"] == "redis"], ["error"])
        self.assertEqual(run.stderr, "")

    def test_strict_counts_warnings(self):
        env = {"CALLD_MEDIA_SPOOL_DIR": str(self.system.dir / "nowhere")}
        self.expect("media.spool_dir", "warning", env=env)
        self.expect("media.spool_dir", "warning", options=("--local", "--strict"), env=env, code=1)

    @staticmethod
    def nobody():
        return f"redis://127.0.0.1:{free_ports(1)[0]}/0"

    def test_a_configuration_with_faults(self):
        bad = self.system.write("bad.toml", '[dialer]\nslize = "5m"\n[media]\nlisten = "nowhere"\n')
        env = {"CALLD_CONFIG": str(bad)}
        first = self.expect("configuration", "error", r"bad\.toml:2: .*slize.*dialer\.slice", "calld config check",
                            env=env, code=2)
        self.expect("configuration", "error", r"bad\.toml:4: media\.listen", env=env, code=2)
        check = subprocess.run([BIN / "calld", "config", "check", "--config", bad], capture_output=True, check=False)
        self.assertNotEqual(check.returncode, 0)
        self.assertNotIn("nowhere", first["detail"])

    def test_a_configuration_that_cannot_be_read(self):
        missing = self.system.dir / "no such.toml"
        self.expect("configuration", "error", "No such file", f"^sudoedit '{missing}'  # ", env={"CALLD_CONFIG": str(missing)},
                    code=2)
        if os.geteuid() != 0:
            return  # nothing is unreadable otherwise
        nobody = pwd.getpwnam("nobody")
        with tempfile.NamedTemporaryFile(suffix=".toml") as file:  # root's alone
            run = subprocess.run([self.system.bin / "callctl", "-o", "json", "doctor"], text=True, capture_output=True,
                                 check=False, user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
                                 env={"CALLD_CONFIG": file.name})
        self.assertEqual(run.returncode, 2, run.stderr)
        (finding,) = json.loads(run.stdout)["items"]
        self.assertEqual((finding["check"], finding["repair"]), ("configuration", "sudo callctl doctor"))

    def test_a_machine_with_some_of_the_roles(self):
        checks = {f["check"] for f in self.examine("--local", "--roles", "api,media", code=0)}
        self.assertLessEqual({"api", "media", "media.spool_dir"}, checks)
        self.assertFalse({"worker", "worker.records_dir"} & checks)

    def test_a_tenant_that_is_unknown(self):
        run = self.system.callctl_run("--tenant", "nobody", "-o", "json", "doctor", "--local")
        self.assertEqual(run.returncode, 1)
        (finding,) = [f for f in json.loads(run.stdout)["items"] if f["check"] == "tenant"]
        self.assertEqual(finding["severity"], "error")
        # What it says mends it, mends it.
        self.system.callctl(*shlex.split(finding["repair"])[1:])
        self.system.callctl("--tenant", "nobody", "doctor", "--local")


class Postgresql(Doctor):
    """A server of its own, so that its settings may be spoilt; each test has a database of its own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Two connections more than the doctor needs to be of use to others.
        cls.postgres = cls.enterClassContext(Postgres(max_connections=12, superuser_reserved_connections=1,
                                                      wal_level="replica", max_wal_senders=2))

    def setUp(self):
        self.database = self.id().rsplit(".", 1)[1][-40:]
        self.postgres.sql("postgres", f"CREATE DATABASE {self.database}")
        self.url = self.postgres.url(self.database)

    def migrated(self):
        self.system.callctl("-q", "db", "migrate", env=self.env())
        return self.env()

    def env(self, url=None):
        return {"CALLD_DATABASE_URL": url or self.url}

    def test_away(self):
        url = f"postgresql://calld@127.0.0.1:{free_ports(1)[0]}/calld"
        self.expect("postgresql", "error", "refused", "systemctl start postgresql", env=self.env(url))

    def test_a_database_or_role_that_is_missing(self):
        self.expect("postgresql", "error", "does not exist", "createdb --owner calld",
                    env=self.env(self.postgres.url("nothing")))
        self.expect("postgresql", "error", "does not exist", "createuser --createrole calld",
                    env=self.env(self.url.replace("calld@", "somebody@")))
        self.expect("postgresql", "error", "does not exist", "sudo -u calld",
                    env=self.env(self.url.replace("calld@", "root@")))

    def test_no_schema(self):
        finding = self.expect("schema", "error", "lacks schema version 1", "^callctl db migrate$", env=self.env())
        self.system.callctl("-q", *finding["repair"].split()[1:], env=self.env())
        self.expect("schema", "ok", env=self.env())

    def test_an_old_schema(self):
        self.migrated()
        self.postgres.sql(self.database, "DELETE FROM schema_migrations WHERE number = "
                                         "(SELECT max(number) FROM schema_migrations)")
        self.expect("schema", "error", "lacks schema version", "^callctl db migrate$", env=self.env())

    def test_a_schema_of_the_future(self):
        self.migrated()
        self.postgres.sql(self.database, "INSERT INTO schema_migrations (number, name, checksum) "
                                         "VALUES (9999, 'future', 'x')")
        self.expect("schema", "error", "newer than this program knows", "apt-get install", env=self.env())

    def repair_with_psql(self, finding):
        words = shlex.split(finding["repair"], comments=True)
        self.assertEqual(words[:4], ["sudo", "-u", "postgres", "psql"])
        self.postgres.sql("postgres", *(w for w in words[4:] if w != "-c"))

    def switched_off(self, setting, check, why):
        """The finding of a setting that is off, and that its repair repairs."""
        env = self.migrated()
        self.postgres.sql("postgres", f"ALTER SYSTEM SET {setting} = off", "SELECT pg_reload_conf()")
        finding = wait_for(lambda: self.has(check, env), 10, "the setting arrives")
        self.expect(check, "error", why, env=env)
        self.repair_with_psql(finding)
        wait_for(lambda: not self.has(check, env), 10, "the repair repairs")

    def test_synchronous_commit_off(self):
        self.switched_off("synchronous_commit", "postgresql synchronous_commit", "would be placed again")

    def test_full_page_writes_off(self):
        self.switched_off("full_page_writes", "postgresql durability", "full_page_writes is off")

    def has(self, check, env):
        run = self.system.callctl_run("-o", "json", "doctor", "--local", "--problems", env=env)
        return next((f for f in json.loads(run.stdout)["items"] if f["check"] == check), None)

    def test_connections_that_run_out(self):
        env = self.migrated()
        sleepers = [subprocess.Popen(["psql", "-Xq", self.url, "-c", "SELECT pg_sleep(60)"], stderr=subprocess.DEVNULL)
                    for _ in range(9)]
        try:
            counting = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
            wait_for(lambda: self.postgres.sql(self.database, counting) == "9", 30, "nine are connected")
            self.expect("postgresql connections", "warning", "10 of 12", "max_connections", env=env)
        finally:
            for sleeper in sleepers:
                sleeper.terminate()
                sleeper.wait()

    def standby(self):
        return Postgres(primary=self.postgres, max_connections=12, superuser_reserved_connections=1)

    def waits_for(self, names):
        self.postgres.sql("postgres", f"ALTER SYSTEM SET synchronous_standby_names = '{names}'", "SELECT pg_reload_conf()")

    def test_a_standby(self):
        env = self.migrated()
        self.expect("postgresql", "ok", env=env)
        with self.standby() as standby:
            self.waits_for("*")
            self.addCleanup(self.waits_for, "")
            self.expect("postgresql role", "error", "a standby takes no changes", "target_session_attrs=read-write",
                        env=self.env(standby.url(self.database)))
            # The remedy that it names: both servers, and whichever takes writes.
            both = (f"postgresql://calld@127.0.0.1:{standby.port},127.0.0.1:{self.postgres.port}/{self.database}"
                    "?target_session_attrs=read-write")
            wait_for(lambda: self.replication(self.env(both))["severity"] == "ok", 20, "the standby is in step")
            self.examine("--local", env=self.env(both), code=0)

    def replication(self, env):
        found = {f["check"]: f for f in self.examine("--local", code=None, env=env)}
        return found["postgresql replication"]

    def test_replication(self):
        """As calld sees it, who may not look at the states of standbys, and as the superuser does."""
        self.migrated()
        self.postgres.sql(self.database, "CREATE ROLE plain LOGIN", "GRANT calld TO plain")
        self.addCleanup(self.waits_for, "")
        seers = (self.env(), self.env(self.url.replace("calld@", "plain@")))
        for env in seers:
            self.expect("postgresql replication", "ok", "no standby", env=env)
        with self.standby():
            wait_for(lambda: self.replication(seers[0])["severity"] != "ok", 20, "the standby is connected")
            for env in seers:
                finding = self.expect("postgresql replication", "error", "none synchronous: a fail-over forgets", env=env)
            self.repair_with_psql(finding)
            for env in seers:
                wait_for(lambda env=env: self.replication(env)["severity"] == "ok", 20, "the repair repairs")
            self.postgres.sql("postgres", "ALTER SYSTEM SET synchronous_commit = local", "SELECT pg_reload_conf()")
            finding = wait_for(lambda: self.has("postgresql synchronous_commit", seers[0]), 10, "the setting arrives")
            self.assertRegex(finding["detail"], "local: a fail-over to a standby forgets")
            self.repair_with_psql(finding)
        for env in seers:
            wait_for(lambda env=env: self.replication(env)["severity"] == "error", 20, "the standby is gone")
            finding = self.expect("postgresql replication", "error", "every commit waits", "never fail over", env=env)
        self.repair_with_psql(finding)
        for env in seers:
            wait_for(lambda env=env: self.replication(env)["severity"] == "ok", 20, "the repair repairs")

    def lied_to(self, change):
        self.migrated()
        liar = self.enterContext(Liar(self.postgres.port, change))
        return self.env(f"postgresql://calld@127.0.0.1:{liar.port}/{self.database}?sslmode=disable&gssencmode=disable")

    def test_a_server_that_is_too_old(self):
        env = self.lied_to(lambda piece: re.sub(rb"\x00\x00\x00\x06\d\d0\d{3}", b"\x00\x00\x00\x06120014", piece))
        self.expect("postgresql version", "error", "older than 13", "upgrade PostgreSQL", env=env)

    def test_a_clock_that_is_off(self):
        for seconds, severity in ((10, "warning"), (3600, "error"), (-3600, "error")):
            with self.subTest(seconds):
                def shifted(match, seconds=seconds):
                    return b"\x00\x00\x00\x10" + str(int(match[1]) + seconds * 1000000).encode()
                env = self.lied_to(lambda piece, by=shifted: re.sub(rb"\x00\x00\x00\x10(1\d{15})", by, piece))
                self.expect("clock of postgresql", severity, "ahead" if seconds > 0 else "behind",
                            "timedatectl set-ntp true", env=env)

    def test_leftovers(self):
        env = self.migrated()
        self.postgres.sql(self.database, "INSERT INTO outbox (queue, function, args, job_id) "
                                         "VALUES ('dial', 'calld.noop', '[]', 'left-behind')")
        finding = self.expect("leftovers", "warning", "1 thing", "callctl cleanup", env=env)
        for command in finding["repair"].split(" && "):
            self.system.callctl("-q", *command.split()[1:], env=env)
        self.expect("leftovers", "ok", env=env)

    def test_pgbouncer(self):
        env = self.migrated()
        for mode in ("session", "transaction", "statement"):
            with self.subTest(mode), PgBouncer(self.postgres, POOLER, pool_mode=mode) as pooler:
                env = self.env(pooler.url(self.database))
                if mode == "statement":
                    self.expect("postgresql", "error", "statement pooling|encoding", "pool_mode = transaction", env=env)
                    continue
                finding = self.expect("postgresql pooler", "warning", "drops the time limit", "ALTER ROLE calld",
                                      env=env)
                statement = re.search(r'-c "([^"]+)"', finding["repair"])[1]
                self.postgres.sql("postgres", statement)
                pooler.console("RECONNECT")
                self.expect("postgresql pooler", "ok", "end after 30 s", env=env)
                self.postgres.sql("postgres", "ALTER ROLE calld RESET statement_timeout")


class RedisServers(Doctor):
    def env(self, redis):
        return {"CALLD_REDIS_URL": redis if isinstance(redis, str) else redis.url}

    # A server of its own has no workers, which is an error of its own: code 1 everywhere.
    def look(self, redis, check, severity, detail="", repair=""):
        return self.expect(check, severity, detail, repair, env=self.env(redis), code=1)

    def test_away(self):
        self.look(f"redis://127.0.0.1:{free_ports(1)[0]}/0", "redis", "error", "", "systemctl start redis-server")

    def test_a_wrong_password(self):
        with Redis("--requirepass", "right") as redis:
            self.look(redis, "redis", "error", "", "correct the password in redis.url")
            self.look(redis.url.replace("//", "//:wrong@"), "redis", "error", "", "correct the password in redis.url")

    def test_no_worker(self):
        with Redis() as redis:
            self.look(redis, "workers", "error", "nothing will be dialed", r"systemctl start calld-worker@main")

    def test_settings_that_lose_jobs_and_their_repair(self):
        with Redis("--appendonly", "no", "--maxmemory-policy", "allkeys-lru") as redis:
            for check in ("redis eviction", "redis persistence"):
                finding = self.look(redis, check, "warning", "", "redis-cli config set")
                for command in finding["repair"].split("; "):
                    if "rewrite" not in command:  # this server has no file to rewrite
                        redis.cli(*command.split()[1:])
                self.look(redis, check, "ok")

    def test_a_replica(self):
        with Redis() as master, Redis("--replicaof", "127.0.0.1", str(master.port)) as replica:
            self.look(replica, "redis role", "error", "a replica takes no changes", "let redis.url name the master")

    def test_a_disk_that_redis_cannot_write(self):
        with Redis("--appendonly", "no", "--enable-protected-configs", "yes") as redis:
            gone = redis.dir / "gone"
            gone.mkdir()
            redis.cli("config", "set", "dir", str(gone))
            gone.rmdir()
            redis.cli("bgsave")
            wait_for(lambda: "rdb_last_bgsave_status:err" in redis.cli("info"), 20, "the save has failed")
            self.look(redis, "redis persistence", "error", "rdb_last_bgsave_status", "make room")

    def test_a_server_that_is_too_old(self):
        with Redis() as redis:
            lie = Liar(redis.port, lambda piece: re.sub(rb"redis_version:\d", b"redis_version:4", piece))
            with lie:
                self.look(f"redis://127.0.0.1:{lie.port}/0", "redis version", "error", "older than", "upgrade Redis")

    def test_a_clock_that_is_off(self):
        def an_hour_ago(match):
            return b"*2\r\n$10\r\n" + str(int(match[1]) - 3600).encode()
        with Redis() as redis:
            lie = Liar(redis.port, lambda piece: re.sub(rb"\*2\r\n\$10\r\n(\d{10})", an_hour_ago, piece))
            with lie:
                self.look(f"redis://127.0.0.1:{lie.port}/0", "clock of redis", "error", "behind", "timedatectl")


class Carrier(Doctor):
    def look(self, check, severity, detail="", repair="", **env):
        return self.expect(check, severity, detail, repair, options=(), env=env)

    def test_the_account_is_not_set(self):
        self.look("carrier", "error", "account_sid is not set", "calld.toml", CALLD_CARRIER_ACCOUNT_SID="")

    def test_the_token_cannot_be_read(self):
        self.look("carrier", "error", "nothing-here", "^install -m 600 /dev/stdin .*nothing-here",
                  CALLD_CARRIER_AUTH_TOKEN_FILE=str(self.system.dir / "nothing-here"))

    def test_the_token_is_wrong(self):
        wrong = self.system.write("wrong", "not the token\n")
        wrong.chmod(0o600)
        self.look("carrier", "error", "refuses the account or its token", "carrier's console",
                  CALLD_CARRIER_AUTH_TOKEN_FILE=str(wrong))
        # The API holds the right one, so what we would sign is refused there.
        self.look("webhook signature", "error", "refuses our own signature", "carrier.auth_token_file",
                  CALLD_CARRIER_AUTH_TOKEN_FILE=str(wrong))

    def test_the_carrier_is_away(self):
        self.look("carrier", "error", "127.0.0.1", "correct carrier.base_url",
                  CALLD_CARRIER_BASE_URL=f"http://127.0.0.1:{free_ports(1)[0]}")

    def test_the_carrier_does_not_tell_or_does_not_know(self):
        findings = self.examine(code=0)  # the simulator has no balance
        self.assertNotIn("balance", {f["check"] for f in findings})
        with web_server({f"/2010-04-01/Accounts/{self.config['carrier']['account_sid']}/Balance.json": 500}) as url:
            self.look("carrier", "error", "answered 500", "correct carrier.base_url", CALLD_CARRIER_BASE_URL=url)

    def test_the_balance(self):
        sid = self.config["carrier"]["account_sid"]
        for balance, severity in ((100, "ok"), (4.2, "warning"), (0, "error"), (-3, "error")):
            answer = {"account_sid": sid, "balance": f"{balance:.2f}", "currency": "USD"}  # Twilio's Balance resource
            with self.subTest(balance), web_server({f"/2010-04-01/Accounts/{sid}/Balance.json": answer}) as url:
                self.look("balance", severity, f"{balance:.2f} USD", "" if severity == "ok" else "pay money in",
                          CALLD_CARRIER_BASE_URL=url)

    def test_the_carriers_clock(self):
        def last_year(piece):
            return re.sub(rb"(Date: .* )20\d\d ", rb"\g<1>2020 ", piece)
        with Liar(self.system.ports["sim"], last_year) as liar:
            self.look("clock of the carrier", "error", "behind ours", "timedatectl",
                      CALLD_CARRIER_BASE_URL=f"http://127.0.0.1:{liar.port}")

    def test_a_real_carrier_cannot_reach_loopback(self):
        # The name is in the path: nothing but this machine is asked.
        base = self.config["carrier"]["base_url"] + "/twilio.com"
        for check, scheme in (("api.public_url", "https"), ("media.public_url", "wss")):
            self.look(check, "error", "the carrier cannot reach it", f"{scheme} address", CALLD_CARRIER_BASE_URL=base)

    def test_the_apis_public_address(self):
        nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
        self.look("api.public_url", "error", "", "^systemctl start calld-api", CALLD_API_PUBLIC_URL=nobody)
        with web_server({}) as url:
            self.look("api.public_url", "error", "healthz answered 404", "proxy", CALLD_API_PUBLIC_URL=url)
        # A stranger who is healthy and knows no attempts must not pass for us.
        with web_server({"/healthz": 200}) as url:
            self.look("webhook signature", "error", "404 is not calld's API", "/twilio/", CALLD_API_PUBLIC_URL=url)

    def test_the_api_is_known_by_another_name(self):
        url = f"http://localhost:{self.system.ports['api']}"
        self.look("webhook signature", "error", "another public_url", "compare api.public_url",
                  CALLD_API_PUBLIC_URL=url)

    def test_the_media_servers_public_address(self):
        nobody = f"ws://127.0.0.1:{free_ports(1)[0]}"
        self.look("media.public_url", "error", "", "^systemctl start calld-media", CALLD_MEDIA_PUBLIC_URL=nobody)
        with web_server({}) as url:
            self.look("media.public_url", "error", "answered 404 where a WebSocket", "with Upgrade",
                      CALLD_MEDIA_PUBLIC_URL=url.replace("http", "ws"))


class Machine(Doctor):
    def test_nothing_runs_here(self):
        empty = self.system.dir / "empty"
        empty.mkdir(exist_ok=True)
        ports = dict(zip(("api", "worker", "media"), free_ports(3)))
        env = {"CALLD_SERVICE_RUNTIME_DIR": str(empty),
               **{f"CALLD_{role.upper()}_LISTEN": f"127.0.0.1:{port}" for role, port in ports.items()}}
        for role, unit in (("api", "calld-api"), ("worker", "calld-worker@main"), ("media", "calld-media")):
            self.expect(role, "warning", "not running", f"^systemctl start {unit}$", env=env)
        with socket.create_server(("127.0.0.1", ports["media"])):
            self.expect("media", "warning", f"another process has 127.0.0.1:{ports['media']}",
                        f"ss -ltnp 'sport = :{ports['media']}'", env=env)

    def test_another_version(self):
        """Of the first worker that runs here, or of another when the first has ended."""
        status = {"ok": True, "result": {"role": "worker", "pid": os.getpid(), "version": "0.0.1", "state": ""}}

        class Control(socketserver.StreamRequestHandler):
            def handle(self):
                self.rfile.readline()
                self.wfile.write(json.dumps(status).encode() + b"\n")
        for name in ("worker.sock", "worker-4711.sock"):
            runtime = self.system.dir / f"other-{name}"
            runtime.mkdir()
            with self.subTest(name), socketserver.ThreadingUnixStreamServer(str(runtime / name), Control) as server:
                thread = threading.Thread(target=server.serve_forever)
                thread.start()
                try:
                    self.expect("worker", "warning", "runs version 0.0.1", r"^systemctl restart calld-worker@main$",
                                env={"CALLD_SERVICE_RUNTIME_DIR": str(runtime)})
                finally:
                    server.shutdown()
                    thread.join()

    def media_pid(self):
        up = json.loads(subprocess.run([BIN / "calld", "up", "--state-dir", self.system.state, "--status", "--json"],
                                       capture_output=True, check=True).stdout)
        return up["roles"]["media"]["pid"]

    @unittest.skipUnless(os.geteuid() == 0, "to go back to a higher priority needs root")
    def test_loops_without_priority(self):
        (loop,) = [int(t.name) for t in pathlib.Path(f"/proc/{self.media_pid()}/task").iterdir()
                   if (t / "comm").read_text().strip() == "media-0"]
        before = os.sched_getscheduler(loop), os.sched_getparam(loop), os.getpriority(os.PRIO_PROCESS, loop)
        os.sched_setscheduler(loop, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, loop, 0)
        try:
            self.expect("media limits", "warning", "its loops have no priority", "LimitRTPRIO=10")
        finally:
            os.sched_setscheduler(loop, *before[:2])
            os.setpriority(os.PRIO_PROCESS, loop, before[2])
        self.assertNotIn("media limits", {f["check"] for f in self.examine("--local", code=0)})

    def test_too_few_open_files(self):
        pid = str(self.media_pid())
        before = subprocess.run(["prlimit", "--pid", pid, "--nofile", "--output", "SOFT", "--noheadings", "--raw"],
                                capture_output=True, check=True, text=True).stdout.strip()
        subprocess.run(["prlimit", "--pid", pid, "--nofile=300:"], check=True)
        try:
            self.expect("media limits", "warning", "300 open files", "LimitNOFILE=65536")
        finally:
            subprocess.run(["prlimit", "--pid", pid, f"--nofile={before}:"], check=True)

    def test_directories(self):
        nowhere = str(self.system.dir / "nowhere")
        self.expect("media.spool_dir", "warning", "nowhere: No such file", r"^install -d -o \w+ -g \w+ -m 750 ",
                    env={"CALLD_MEDIA_SPOOL_DIR": nowhere})
        self.expect("worker.records_dir", "warning", "nowhere: No such file", r"^install -d -o \w+ -g \w+ -m 750 ",
                    env={"CALLD_WORKER_RECORDS_DIR": nowhere})

    def in_own_mounts(self, script, env=None):
        """The doctor, where `script` has changed what is mounted; nobody else sees that."""
        run = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-euc",
                              f"{script}\nexec \"$0\" -o json doctor --local", self.system.bin / "callctl"],
                             text=True, capture_output=True, check=False,
                             env={**self.system.env, "CALLD_CONFIG": str(self.system.state / "calld.toml"),
                                  **(env or {})})
        return run.returncode, {f["check"]: f for f in json.loads(run.stdout)["items"]}

    @unittest.skipUnless(os.geteuid() == 0, "mounting needs root")
    def test_a_full_disk(self):
        place = self.system.dir / "full"
        place.mkdir()
        code, found = self.in_own_mounts(f"mount -t tmpfs -o size=1m tmpfs {place}",
                                         {"CALLD_WORKER_RECORDS_DIR": str(place)})
        self.assertEqual(code, 1)
        self.assertEqual(found["worker.records_dir"]["severity"], "error")
        self.assertIn("records of calls will be lost", found["worker.records_dir"]["detail"])
        self.assertIn(f"make room below {place}", found["worker.records_dir"]["repair"])

    @unittest.skipUnless(os.geteuid() == 0, "mounting needs root")
    def test_a_disk_without_room_for_names(self):
        place = self.system.dir / "names"
        place.mkdir()
        code, found = self.in_own_mounts(f"mount -t tmpfs -o size=4g,nr_inodes=50 tmpfs {place}",
                                         {"CALLD_MEDIA_SPOOL_DIR": str(place)})
        self.assertEqual(code, 1)
        self.assertRegex(found["media.spool_dir"]["detail"], r"^4\d more files fit: records of calls will be lost")
        self.assertRegex(found["media.spool_dir"]["repair"], "^du -x --inodes")

    @unittest.skipUnless(os.geteuid() == 0, "becoming another user needs root")
    def test_a_directory_that_is_not_the_daemons(self):
        """The daemons' user is whom their runtime directory belongs to."""
        with tempfile.TemporaryDirectory(prefix="calld-doctor-", dir="/tmp") as top:
            os.chmod(top, 0o755)
            runtime, records = pathlib.Path(top, "run"), pathlib.Path(top, "the records' place")
            for place in (runtime, records):
                place.mkdir(mode=0o750)
            shutil.chown(runtime, "nobody")
            env = {"CALLD_SERVICE_RUNTIME_DIR": str(runtime), "CALLD_MEDIA_SPOOL_DIR": str(records),
                   "CALLD_WORKER_RECORDS_DIR": str(records)}
            finding = self.expect("worker.records_dir", "error", "nobody cannot write into .*place", "^chown nobody: ", env=env)
            subprocess.run(["sh", "-c", finding["repair"]], check=True)
            self.expect("worker.records_dir", "ok", env=env)

    @unittest.skipUnless(os.geteuid() == 0, "mounting needs root")
    def test_no_time_zones(self):
        code, found = self.in_own_mounts("mount -t tmpfs tmpfs /usr/share/zoneinfo")
        self.assertEqual(code, 1)
        self.assertEqual(found["time zones"]["severity"], "error")
        self.assertEqual(found["time zones"]["repair"], "apt-get install tzdata")

    def test_the_clock_of_this_machine(self):
        """As the kernel says; it cannot be set wrong here without setting it wrong for everybody."""
        timex = ctypes.create_string_buffer(512)
        state = ctypes.CDLL(None).adjtimex(timex)
        unsynchronised = state == 5 or int.from_bytes(timex[40:44], sys.byteorder) & 0x40
        finding = self.expect("clock", "warning" if unsynchronised else "ok")
        self.assertEqual(finding["repair"], "timedatectl set-ntp true" if unsynchronised else None)

    @unittest.skipUnless(os.geteuid() == 0, "becoming another user needs root")
    def test_somebody_who_may_not_ask(self):
        nobody = pwd.getpwnam("nobody")
        token = self.system.write("roots", "the token\n")
        token.chmod(0o600)
        run = subprocess.run([self.system.bin / "callctl", "-o", "json", "doctor"], text=True,
                             capture_output=True, check=False, user=nobody.pw_uid, group=nobody.pw_gid,
                             extra_groups=[], env={**self.system.env, "CALLD_CONFIG": "", "CALLD_SERVICE_RUNTIME_DIR":
                                                   self.config["service"]["runtime_dir"],
                                                   "CALLD_DATABASE_URL": self.config["database"]["url"],
                                                   "CALLD_REDIS_URL": self.config["redis"]["url"],
                                                   "CALLD_API_PUBLIC_URL": self.config["api"]["public_url"],
                                                   "CALLD_CARRIER_ACCOUNT_SID": self.config["carrier"]["account_sid"],
                                                   "CALLD_CARRIER_AUTH_TOKEN_FILE": str(token)})
        found = {f["check"]: f for f in json.loads(run.stdout)["items"]}
        self.assertEqual(found["media"]["severity"], "warning")
        self.assertIn("sudo -u calld callctl doctor", found["media"]["repair"])
        # What only root can read keeps nobody from calling.
        for check in ("carrier", "webhook signature"):
            self.assertEqual((found[check]["severity"], found[check]["repair"]), ("warning", "sudo callctl doctor"))
            self.assertIn("not looked at", found[check]["detail"])


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
