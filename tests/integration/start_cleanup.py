"""When the role that service.role names cleans up at its start: not before PostgreSQL is there with the schema of this
binary, and then once.

    python3 tests/integration/start_cleanup.py build/release/bin
"""
import json
import pathlib
import subprocess
import sys
import unittest

from harness import free_ports, wait_for
from private_servers import Postgres, Redis

BIN = None
CONFIG = """
[service]
role = "api"
runtime_dir = "{dir}"
[database]
url = "{database}"
[redis]
url = "redis://127.0.0.1:{redis}/0"
[carrier]
base_url = "http://127.0.0.1:9"
account_sid = "AC00000000000000000000000000000001"
auth_token_file = "{dir}/token"
[api]
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
"""


class StartCleanup(unittest.TestCase):
    def setUp(self):
        self.postgres = self.enterContext(Postgres(fsync="off"))
        self.redis = self.enterContext(Redis())
        self.postgres.sql("postgres", "CREATE DATABASE calld")
        self.dir = pathlib.Path(self.redis.dir)
        (self.dir / "token").write_text("secret")
        (self.dir / "token").chmod(0o600)
        (port,) = free_ports(1)
        (self.dir / "calld.toml").write_text(CONFIG.format(dir=self.dir, database=self.postgres.url(),
                                                           redis=self.redis.port, port=port))
        self.env = {"CALLD_CONFIG": str(self.dir / "calld.toml"), "PATH": "/usr/bin:/bin", "TERM": "dumb"}
        self.log = self.dir / "api.log"

    def callctl(self, *words):
        return subprocess.run([BIN / "callctl", *words], env=self.env, text=True, capture_output=True, check=True).stdout

    def api(self):
        with open(self.log, "wb") as log:
            process = subprocess.Popen([BIN / "calld", "api"], env=self.env, stdout=log, stderr=log)
        self.addCleanup(process.wait, 60)
        self.addCleanup(process.terminate)
        return process

    def says(self, text):
        wait_for(lambda: text in self.log.read_text(), 60, f"{text} in {self.log}")

    def refuses_to_start(self):
        self.assertNotEqual(self.api().wait(60), 0)
        self.assertIn("callctl db migrate", self.log.read_text())

    def leave_something(self):
        """A lease whose driver died."""
        people = self.dir / "people.csv"
        people.write_text("phone\n+12125550101\n")
        self.callctl("list", "create", "left", str(people), "--from", "+15005550006")
        self.postgres.sql("calld", "INSERT INTO list_drivers (list_id, epoch, holder, expires_at) "
                                   "SELECT id, 1, 'dead', now() - interval '1 h' FROM lists")

    def leftovers(self):
        return self.postgres.sql("calld", "SELECT count(*) FROM list_drivers WHERE holder IS NOT NULL")

    def passes(self):
        return json.loads(self.callctl("-o", "json", "cleanup", "ls"))["items"]

    def cleans_up(self):
        wait_for(lambda: self.passes(), 60, "a pass")
        self.says("ready:")
        (done,) = self.passes()
        self.assertEqual((done["source"], self.leftovers()), ("start of api", "0"))

    def test_not_in_a_database_without_the_schema(self):
        self.refuses_to_start()
        self.assertEqual(self.postgres.sql("calld", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0")
        self.callctl("db", "migrate")
        self.leave_something()
        self.api()
        self.cleans_up()

    def test_not_in_an_older_schema(self):
        self.callctl("db", "migrate")
        self.leave_something()
        older = "schema_migrations WHERE number = (SELECT max(number) FROM schema_migrations)"
        self.postgres.sql("calld", f"CREATE TABLE newest AS SELECT * FROM {older}", f"DELETE FROM {older}")
        self.refuses_to_start()
        self.assertEqual((self.postgres.sql("calld", "SELECT count(*) FROM cleanup_journal"), self.leftovers()), ("0", "1"))
        self.postgres.sql("calld", "INSERT INTO schema_migrations SELECT * FROM newest")
        self.api()
        self.cleans_up()

    def test_as_soon_as_postgresql_is_there(self):
        self.callctl("db", "migrate")
        self.leave_something()
        self.postgres.stop()
        self.api()
        self.says("waiting for PostgreSQL")
        self.postgres.start()
        self.cleans_up()

    def test_not_while_another_role_is_named(self):
        self.callctl("db", "migrate")
        self.leave_something()
        self.env["SERVICE_ROLE"] = "worker"
        self.api()
        self.says("skipped at start: it is the duty of the role worker, this is api")
        self.says("ready:")
        self.assertEqual((self.passes(), self.leftovers()), ([], "1"))


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
