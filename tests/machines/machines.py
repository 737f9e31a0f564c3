"""Thirteen machines, each killed in turn while a list is dialed: nothing is lost, nobody is called twice.

    python3 tests/machines/machines.py build/release/bin [--patroni] [--entries 24] [--keep]

Two API nodes and two media nodes behind HAProxy, three workers, Redis with Sentinel, PostgreSQL with a synchronous
standby, all in network namespaces of their own, with the configuration files of packaging/examples/machines. Killing is
SIGKILL of everything on that machine. Needs root, iproute2, haproxy, postgresql, redis-server and redis-sentinel; with
--patroni, where nobody but Patroni promotes the standby, patroni and etcd-server as well.
"""
import argparse
import collections
import csv
import io
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time

from network import Network, run, wait_for
from postgres import Patroni, Replicated

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "packaging/examples/machines"
NEEDED = ("curl", "ip", "openssl", "haproxy", "redis-server", "redis-sentinel", "runuser")
SKIPPED = 77  # ctest shows it as skipped, not as passed

CALLERS = """
[defaults]
ring_s = 1.0
lines = [{ hang_up = true, interrupt_after_ms = 3000 }]
"""

ADDRESSES = {"lb": "10.77.0.10", "api1": "10.77.0.11", "api2": "10.77.0.12", "media1": "10.77.0.21",
             "media2": "10.77.0.22", "worker1": "10.77.0.31", "worker2": "10.77.0.32", "worker3": "10.77.0.33",
             "redis1": "10.77.0.41", "redis2": "10.77.0.42", "pg1": "10.77.0.51", "pg2": "10.77.0.52",
             "sim": "10.77.0.61"}


def postgres_bin():
    return max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))


class Fleet:
    def __init__(self, network, bin_dir, pair):
        self.network = network
        self.bin = pathlib.Path(bin_dir).resolve()
        self.dir = network.dir
        self.hosts = {name: network.add(name, address) for name, address in ADDRESSES.items()}
        self.postgres = pair(self.hosts, postgres_bin(), EXAMPLES)
        token = self.dir / "auth_token"
        token.write_text("machines-token\n")
        token.chmod(0o600)
        config = (EXAMPLES / "calld.toml").read_text().replace("/etc/calld/auth_token", str(token))
        self.config = self.dir / "calld.toml"
        self.config.write_text(config)

    # Servers.

    def start_redis(self):
        for name, extra in (("redis1", []), ("redis2", ["--replicaof", ADDRESSES["redis1"], "6379"])):
            host = self.hosts[name]
            config = host.dir / "redis.conf"  # a fail-over writes into it
            config.write_text((EXAMPLES / "redis.conf").read_text())
            host.start("redis", "redis-server", config, "--dir", host.dir, *extra)
        wait_for(lambda: "master_link_status:up" in self.redis("redis2", "INFO", "replication"), 30,
                 "redis2 follows redis1")
        for name in ("redis1", "redis2", "lb"):
            host = self.hosts[name]
            config = host.dir / "sentinel.conf"  # a sentinel rewrites its own
            config.write_text((EXAMPLES / "sentinel.conf").read_text())
            host.start("sentinel", "redis-sentinel", config)
        wait_for(lambda: "sentinels=3" in self.redis("lb", "-p", "26379", "INFO", "sentinel"), 30,
                 "three sentinels know each other")

    def redis(self, name, *words):
        return self.hosts[name].run("redis-cli", *words, check=False).stdout

    # Programs.

    def calld(self, name, role, trusted=None, **variables):
        host = self.hosts[name]
        env = {"CALLD_CONFIG": str(self.config), "CALLD_SERVICE_RUNTIME_DIR": str(host.dir / "run")}
        if trusted:
            env["SSL_CERT_FILE"] = str(trusted)
        for directory in ("run", "spool", "records"):
            (host.dir / directory).mkdir(exist_ok=True)
        env.update({f"CALLD_{key.upper()}": str(value) for key, value in variables.items()})
        host.start(role, self.bin / "calld", role, env=env)

    def start_api(self, name):
        self.calld(name, "api", api_listen=f"{ADDRESSES[name]}:8080")

    def start_media(self, name):
        """A media node keeps its spool to itself, so a worker beside it files what lies there."""
        spool = self.hosts[name].dir / "spool"
        self.calld(name, "media", media_listen=f"{ADDRESSES[name]}:8081", media_spool_dir=spool)
        self.calld(name, "worker", worker_queues=f"records-{name}", worker_records_queue=f"records-{name}",
                   worker_spool_dir=spool, worker_records_dir=self.dir / "records", worker_concurrency=1)

    def start_worker(self, name):
        host = self.hosts[name]
        self.calld(name, "worker", worker_queues="dial,default", worker_spool_dir=host.dir / "spool",
                   worker_records_dir=self.dir / "records")

    def make_certificate(self):
        """One that only the simulator trusts: it stands in for a carrier, which would know the authority."""
        chain, key = self.dir / "calld.crt", self.dir / "calld.key"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 1,
            "-subj", "/CN=calld", "-addext", f"subjectAltName=IP:{ADDRESSES['lb']}", "-out", chain, "-keyout", key)
        pem = self.dir / "calld.pem"
        pem.write_text(chain.read_text() + key.read_text())
        config = self.dir / "haproxy.cfg"
        config.write_text((EXAMPLES / "haproxy.cfg").read_text().replace("/etc/haproxy/calld.pem", str(pem)))
        return chain, config

    def start_sim(self, chain):
        script = self.dir / "callers.toml"
        script.write_text(CALLERS)
        self.calld("sim", "sim", trusted=chain, sim_listen=f"{ADDRESSES['sim']}:8082", sim_script=script,
                   sim_calls_per_second=50)

    def start(self):
        (self.dir / "records").mkdir()
        self.postgres.start()
        self.start_redis()
        self.callctl("db", "migrate")
        chain, balancer = self.make_certificate()
        self.start_sim(chain)
        for name in ("api1", "api2"):
            self.start_api(name)
        for name in ("media1", "media2"):
            self.start_media(name)
        for name in ("worker1", "worker2", "worker3"):
            self.start_worker(name)
        self.hosts["lb"].start("haproxy", "haproxy", "-db", "-f", balancer)
        for name, port in (("api1", 8080), ("api2", 8080), ("media1", 8081), ("media2", 8081)):
            wait_for(lambda name=name, port=port: self.ready(f"http://{ADDRESSES[name]}:{port}"), 90, f"{name} is ready")
        self.look_at_the_balancer()

    def look_at_the_balancer(self):
        """It lets in what is for the carrier, and keeps the rest to itself."""
        public = f"https://{ADDRESSES['lb']}"
        wait_for(lambda: self.status(f"{public}/healthz") == "200", 90, "the load balancer is ready")
        for path in ("/readyz", "/metrics", "/v1/lists", "/ws/twilio-media/../../metrics", "/twilio"):
            answered = self.status(public + path)
            assert answered == "404", f"{path} answered {answered} to the public"
        assert self.status(f"{public}/ws/twilio-media") == "426", "the media server is not reached"

    def status(self, url):
        return self.hosts["lb"].run("curl", "-sk", "--path-as-is", "-o", "/dev/null", "-m", "5", "-w", "%{http_code}", url,
                                    check=False).stdout

    def ready(self, address):
        return self.status(f"{address}/readyz") == "200"

    def callctl(self, *words, check=True, stdin=None):
        return self.hosts["lb"].run(self.bin / "callctl", *words, check=check, stdin=stdin, timeout=400,
                                    env={"CALLD_CONFIG": str(self.config)})

    def list_state(self, name):
        run = self.callctl("-o", "json", "list", "show", name, check=False)
        return json.loads(run.stdout) if run.returncode == 0 else None

    def entries(self, name):
        text = self.callctl("--show-numbers", "list", "export", name).stdout
        return list(csv.DictReader(io.StringIO(text)))

    def calls(self):
        """What the carrier knows to have happened."""
        answer = self.hosts["sim"].run("curl", "-s", f"http://{ADDRESSES['sim']}:8082/sim/calls").stdout
        return json.loads(answer)["calls"]

    def logs(self):
        text = ""
        for host in self.hosts.values():
            for path in sorted(host.dir.glob("*.log")):
                lines = path.read_text(errors="replace").splitlines()[-8:]
                text += f"--- {host.name} {path.name}\n" + "\n".join(lines) + "\n"
        return text


class Killer:
    """The power cuts, one after the other, each when some more of the list is done."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.steps = [
            ("worker1", lambda: fleet.hosts["worker1"].kill()),
            ("api1", lambda: fleet.hosts["api1"].kill()),
            ("media1", lambda: fleet.hosts["media1"].kill()),
            ("redis1 (the primary)", lambda: fleet.hosts["redis1"].kill()),
            ("worker2", lambda: fleet.hosts["worker2"].kill()),
            ("pg1 (the primary)", fleet.postgres.kill_primary),
        ]

    def go(self, name, entries):
        for number, (what, kill) in enumerate(self.steps, 1):
            wanted = entries * number // (len(self.steps) + 2)
            done = wait_for(lambda: self.enough(name, wanted), 180, f"{wanted} entries are done before {what} dies")
            print(f"{done:4} of {entries} done: killing {what}", flush=True)
            kill()

    def enough(self, name, wanted):
        state = self.fleet.list_state(name)
        return state["done"] if state and state["done"] >= wanted else None


def check(fleet, entries):
    """Every problem as a sentence; nothing when all is well."""
    problems = []
    rows = fleet.entries("people")
    calls = fleet.calls()
    counts = collections.Counter(call["to"] for call in calls)
    if len(rows) != entries:
        problems.append(f"{entries} entries went in, {len(rows)} are there")
    for row in rows:
        if row["state"] != "done":
            problems.append(f"line {row['line'] if 'line' in row else row.get('seq')} ended as {row['state']}")
        if counts[row["phone"]] != 1:
            problems.append(f"{row['phone']} was called {counts[row['phone']]} times")
    heard = sum(call["heard_ms"] > 0 for call in calls)
    if heard < entries // 2:
        problems.append(f"only {heard} of {entries} callees heard an agent: "
                        f"{collections.Counter(str(call['warnings']) for call in calls)}")
    state = fleet.list_state("people")
    if state["state"] != "completed" or state["unknown_attempts"] != 0:
        problems.append(f"the list is {state['state']} with {state['unknown_attempts']} unknown attempts")
    return problems


def dial(fleet, entries):
    contacts = "phone\n" + "".join(f"+1212555{1000 + n}\n" for n in range(entries))
    fleet.callctl("list", "create", "people", "-", "--from", "+15005550006", "--agent", "survey", "--concurrency", 8,
                  "--calls-per-second", 2, "--time-limit", 30, stdin=contacts)
    fleet.callctl("list", "start", "people", "--confirm", "people")
    Killer(fleet).go("people", entries)
    fleet.callctl("list", "wait", "people", "--timeout", 300, check=False)


def report(fleet, entries, began):
    outcomes = {}
    for row in fleet.entries("people"):
        outcomes[row["outcome"]] = outcomes.get(row["outcome"], 0) + 1
    filed = len(list((fleet.dir / "records").glob("*/CA*")))
    left = sum(len(list((fleet.hosts[name].dir / "spool").glob("CA*"))) for name in ("media1", "media2"))
    print(f"{entries} entries in {time.monotonic() - began:.0f} s: {outcomes}; {filed} records filed, "
          f"{left} wait in the spool of the dead media node")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bin")
    parser.add_argument("--patroni", action="store_true", help="Patroni runs the PostgreSQL servers")
    parser.add_argument("--entries", type=int, default=24)
    parser.add_argument("--keep", action="store_true", help="leave the directory with all logs")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("skipped: network namespaces need root")
        sys.exit(SKIPPED)
    pair = Patroni if arguments.patroni else Replicated
    missing = [name for name in NEEDED + pair.NEEDED if not shutil.which(name)]
    if missing:
        sys.exit(f"missing: {', '.join(missing)} (packaging/install-deps test)")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="calld-machines-", dir="/tmp"))
    directory.chmod(0o755)
    began = time.monotonic()
    with Network(directory) as network:
        fleet = Fleet(network, arguments.bin, pair)
        try:
            fleet.start()
            print(f"{len(ADDRESSES)} machines are up after {time.monotonic() - began:.0f} s", flush=True)
            dial(fleet, arguments.entries)
            problems = check(fleet, arguments.entries)
            report(fleet, arguments.entries, began)
        except Exception:
            print(fleet.logs())
            raise
        if problems:
            print(fleet.logs())
            sys.exit("\n".join(problems))
    if not arguments.keep:
        shutil.rmtree(directory)
    print("Nothing was lost, nobody was called twice.")


if __name__ == "__main__":
    main()
