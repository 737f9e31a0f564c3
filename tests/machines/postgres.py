"""The two PostgreSQL servers of the fleet, with the example that each way of running them has."""
import json
import shutil
import time

from network import wait_for


class Pair:
    """A primary, pg1 at first, and its synchronous standby, pg2 at first."""

    NEEDED = ()

    def __init__(self, hosts, programs, examples):
        self.pg1, self.pg2 = hosts["pg1"], hosts["pg2"]
        self.primary, self.standby = self.pg1, self.pg2
        self.hosts = hosts
        self.programs = programs
        self.examples = examples
        for host in (self.pg1, self.pg2):
            shutil.chown(host.dir, "postgres")

    def psql(self, host, statement, check=True):
        """As the superuser, over the machine's own socket."""
        return host.run("psql", "-h", host.dir, "-d", "postgres", "-XAtc", statement, check=check, user="postgres")

    def make_database(self):
        self.psql(self.pg1, "CREATE ROLE calld LOGIN CREATEROLE")
        self.psql(self.pg1, "CREATE DATABASE calld OWNER calld")

    def in_step(self):
        return "sync" in self.psql(self.primary, "SELECT sync_state FROM pg_stat_replication", check=False).stdout

    def kill_primary(self):
        self.primary.kill()
        self.promote()
        self.primary, self.standby = self.standby, self.primary

    def revive_beside(self, host):
        """What a machine that is no PostgreSQL server runs for this pair."""


class Replicated(Pair):
    """Plain streaming replication; postgresql.conf. A person promotes the standby."""

    def start(self):
        pg1, programs = self.pg1, self.programs
        pg1.run(programs / "initdb", "-D", pg1.dir / "data", "--auth=trust", "-E", "UTF8", user="postgres")
        settings = (self.examples / "postgresql.conf").read_text() + f"unix_socket_directories = '{pg1.dir}'\n"
        with open(pg1.dir / "data/postgresql.conf", "a", encoding="utf-8") as file:
            file.write(settings)
        with open(pg1.dir / "data/pg_hba.conf", "a", encoding="utf-8") as file:
            file.write("host all all 10.77.0.0/24 trust\nhost replication all 10.77.0.0/24 trust\n")
        pg1.start("postgres", programs / "postgres", "-D", pg1.dir / "data", user="postgres")
        wait_for(lambda: self.psql(pg1, "SELECT 1", check=False).returncode == 0, 30, "pg1 answers")
        self.copy_primary()
        wait_for(self.in_step, 60, "pg2 follows pg1 synchronously")
        self.make_database()

    def copy_primary(self):
        """Makes the standby, anew."""
        standby = self.standby
        standby.run("rm", "-rf", standby.dir / "data")
        standby.run(self.programs / "pg_basebackup", "-d",
                    f"host={self.primary.address} user=postgres application_name={standby.name}", "-R", "-c", "fast",
                    "-D", standby.dir / "data", user="postgres", timeout=120)
        with open(standby.dir / "data/postgresql.conf", "a", encoding="utf-8") as file:
            file.write(f"unix_socket_directories = '{standby.dir}'\n")
        standby.start("postgres", self.programs / "postgres", "-D", standby.dir / "data", user="postgres")

    def wait_for_standbys(self, host, names):
        self.psql(host, f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        self.psql(host, "SELECT pg_reload_conf()")

    def promote(self):
        """The standby takes over and waits for nobody, as Patroni would have it."""
        time.sleep(3)  # until somebody notices
        self.psql(self.standby, "SELECT pg_promote()")
        self.wait_for_standbys(self.standby, "")

    stalls_without_a_standby = True

    def go_on_alone(self):
        """What a person does when the standby will not be back soon."""
        self.wait_for_standbys(self.primary, "")

    def bring_standby_back(self):
        self.copy_primary()
        self.wait_for_standbys(self.primary, "*")
        wait_for(self.in_step, 60, "the standby is in step again")


class Patroni(Pair):
    """patroni.yml, and etcd on three machines. Nobody does anything."""

    NEEDED = ("patroni", "etcd")
    ETCD = ("pg1", "pg2", "lb")

    def start(self):
        self.start_etcd()
        for host in (self.pg1, self.pg2):
            # One after the other, so that pg1 is the primary.
            host.start("patroni", "patroni", self.configure(host), user="postgres")
            wait_for(lambda host=host: self.rest(host).get("state") == "running", 120, f"Patroni runs {host.name}")
        wait_for(self.in_step, 120, "pg2 follows pg1 synchronously")
        self.make_database()

    def start_etcd(self):
        for name in self.ETCD:
            self.start_member(self.hosts[name])

    def start_member(self, host):
        cluster = ",".join(f"{name}=http://{self.hosts[name].address}:2380" for name in self.ETCD)
        host.start("etcd", "etcd", "--name", host.name, "--data-dir", host.dir / "etcd",
                   "--listen-peer-urls", f"http://{host.address}:2380", "--listen-client-urls", f"http://{host.address}:2379",
                   "--initial-advertise-peer-urls", f"http://{host.address}:2380",
                   "--advertise-client-urls", f"http://{host.address}:2379", "--initial-cluster", cluster)

    def configure(self, host):
        """The example, with directories of the test, and calld let in without a password as its own example wants."""
        text = (self.examples / "patroni.yml").read_text()
        changes = {"name: pg1": f"name: {host.name}", "10.77.0.51:8008": f"{host.address}:8008",
                   "10.77.0.51:5432": f"{host.address}:5432", "/var/lib/postgresql/15/calld": f"{host.dir}/data",
                   "/var/lib/postgresql/calld.pgpass": f"{host.dir}/pgpass", "/usr/lib/postgresql/15/bin": str(self.programs),
                   "  pg_hba:\n": "  pg_hba:\n    - host calld calld 10.77.0.0/24 trust\n",
                   "  use_unix_socket: true\n": f"  use_unix_socket: true\n  parameters:\n    unix_socket_directories: {host.dir}\n"}
        for old, new in changes.items():
            assert old in text, f"patroni.yml has no {old!r}"
            text = text.replace(old, new)
        path = host.dir / "patroni.yml"
        path.write_text(text)
        shutil.chown(path, "postgres")
        path.chmod(0o600)
        checked = host.run("patroni", "--validate-config", path, user="postgres", check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        return path

    def rest(self, host):
        answer = host.run("curl", "-s", "-m", "3", f"http://{host.address}:8008/patroni", check=False)
        return json.loads(answer.stdout) if answer.returncode == 0 and answer.stdout else {}

    def promote(self):
        standby = self.standby
        wait_for(lambda: self.rest(standby).get("role") in ("master", "primary"), 120, f"Patroni promotes {standby.name}")

    stalls_without_a_standby = False  # Patroni itself waits for nobody then

    def go_on_alone(self):
        pass

    def bring_standby_back(self):
        self.start_member(self.standby)
        self.standby.start("patroni", "patroni", self.configure(self.standby), user="postgres")
        wait_for(self.in_step, 120, "the standby is in step again")

    def revive_beside(self, host):
        if host.name in self.ETCD:
            self.start_member(host)
