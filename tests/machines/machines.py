"""Thirteen machines, each but the carrier's killed in turn while lists are dialed: nothing is lost, nobody is called twice.

    python3 tests/machines/machines.py build/release/bin [--patroni] [--entries 24] [--keep]

Two API nodes and two media nodes behind HAProxy, three workers, Redis with Sentinel, PostgreSQL with a synchronous
standby, all in network namespaces of their own, with the configuration files of packaging/examples/machines. Killing is
SIGKILL of everything on that machine. Two lists, six deaths each; between them everything is started again. In a third
list a media node is told to end while it holds calls: none is cut. Needs root, iproute2, haproxy, postgresql, redis-server
and redis-sentinel; with --patroni, where nobody but Patroni promotes the standby, patroni and etcd-server as well.
"""
import argparse
import collections
import csv
import io
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

from network import Network, run, wait_for
from postgres import Patroni, Replicated

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "packaging/examples/machines"
NEEDED = ("curl", "ip", "openssl", "haproxy", "redis-server", "redis-sentinel", "runuser")
SKIPPED = 77  # ctest shows it as skipped, not as passed

SENTINELS = ("redis1", "redis2", "lb")

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
        self.start_redis_on("redis1")
        self.start_redis_on("redis2", "--replicaof", ADDRESSES["redis1"], "6379")
        wait_for(lambda: self.follows("redis2"), 30, "redis2 follows redis1")
        for name in SENTINELS:
            self.start_sentinel(name)
        self.wait_for_sentinels()

    def start_redis_on(self, name, *extra):
        host = self.hosts[name]
        config = host.dir / "redis.conf"  # a fail-over writes into it
        if not config.exists():
            config.write_text((EXAMPLES / "redis.conf").read_text())
        host.start("redis", "redis-server", config, "--dir", host.dir, *extra)

    def start_sentinel(self, name):
        host = self.hosts[name]
        config = host.dir / "sentinel.conf"  # a sentinel rewrites its own
        if not config.exists():
            config.write_text((EXAMPLES / "sentinel.conf").read_text())
        host.start("sentinel", "redis-sentinel", config)

    def wait_for_sentinels(self):
        wait_for(lambda: "sentinels=3" in self.redis("lb", "-p", "26379", "INFO", "sentinel"), 30,
                 "three sentinels know each other")

    def follows(self, name):
        return "master_link_status:up" in self.redis(name, "INFO", "replication")

    def primary_redis(self):
        return next(n for n in ("redis1", "redis2") if "role:master" in self.redis(n, "INFO", "replication"))

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
        chain, self.balancer = self.make_certificate()
        self.start_sim(chain)
        for name in ("api1", "api2", "media1", "media2", "worker1", "worker2", "worker3"):
            self.start_role(name)
        self.start_balancer()
        self.wait_until_ready(self.hosts)
        self.look_at_the_balancer()

    def start_role(self, name):
        {"api": self.start_api, "med": self.start_media, "wor": self.start_worker}[name[:3]](name)

    def start_balancer(self):
        self.hosts["lb"].start("haproxy", "haproxy", "-db", "-f", self.balancer)

    def wait_until_ready(self, names):
        for name, port in (("api1", 8080), ("api2", 8080), ("media1", 8081), ("media2", 8081)):
            if name in names:
                wait_for(lambda name=name, port=port: self.ready(f"http://{ADDRESSES[name]}:{port}"), 90, f"{name} is ready")

    def revive(self, names):
        """Power is back on these machines; what ran there runs again, a former primary as a follower."""
        for name in names:
            host = self.hosts[name]
            if name.startswith("pg"):
                self.postgres.bring_standby_back()
            elif name == "lb":
                self.start_balancer()
                self.start_sentinel(name)
                self.postgres.revive_beside(host)
            elif name.startswith("redis"):
                self.start_redis_on(name)
                self.start_sentinel(name)
                wait_for(lambda name=name: self.follows(name), 60, f"{name} follows the other")
            else:
                self.start_role(name)
        self.wait_for_sentinels()
        self.wait_until_ready(names)

    def look_at_the_balancer(self):
        """It lets in what is for the carrier, and keeps the rest to itself."""
        public = f"https://{ADDRESSES['lb']}"
        for path, answer in (("/healthz", "200"), ("/ws/twilio-media", "426")):
            wait_for(lambda path=path, answer=answer: self.status(public + path) == answer, 90, f"{path} is let in")
        for path in ("/readyz", "/metrics", "/v1/lists", "/ws/twilio-media/../../metrics", "/twilio"):
            answered = self.status(public + path)
            assert answered == "404", f"{path} answered {answered} to the public"

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

    def calls(self, entries):
        """What the carrier knows to have happened to the numbers of these entries."""
        answer = self.hosts["sim"].run("curl", "-s", f"http://{ADDRESSES['sim']}:8082/sim/calls").stdout
        numbers = {entry["phone"] for entry in entries}
        return [call for call in json.loads(answer)["calls"] if call["to"] in numbers]

    def metric(self, name, what):
        text = self.hosts[name].run("curl", "-s", f"http://{ADDRESSES[name]}:8081/metrics").stdout
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{what} "))

    def filed(self):
        return {path.name for path in (self.dir / "records").glob("*/CA*")}

    def spooled(self):
        """Finished records, and what a media node had written of calls that it died with."""
        return {path.name.removesuffix(".part") for name in ("media1", "media2")
                for path in (self.hosts[name].dir / "spool").glob("CA*")}

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

    def first(self):
        return [("worker1", self.off("worker1")), ("api1", self.off("api1")), ("media1", self.off("media1")),
                ("redis1 (the primary)", self.off("redis1")), ("worker2", self.off("worker2")),
                ("pg1 (the primary)", self.fleet.postgres.kill_primary)]

    def second(self):
        """The others, and PostgreSQL's standby first: pg1 by now."""
        assert self.fleet.primary_redis() == "redis2", "the sentinels have promoted redis2"
        return [("pg1 (the standby)", self.lose_the_standby), ("worker3", self.off("worker3")), ("api2", self.off("api2")),
                ("media2", self.off("media2")), ("redis2 (the primary)", self.off("redis2")),
                ("lb", self.lose_the_balancer), ("pg2 (the primary)", self.fleet.postgres.kill_primary)]

    def off(self, name):
        return self.fleet.hosts[name].kill

    def lose_the_balancer(self):
        """It has no twin here: until somebody starts it again, no webhook and no stream finds its way."""
        self.fleet.hosts["lb"].kill()
        time.sleep(5)
        self.fleet.revive(["lb"])

    def lose_the_standby(self):
        """Every commit waits for it, for ever, so that nothing is dialed until a person decides."""
        postgres = self.fleet.postgres
        postgres.standby.kill()
        if postgres.stalls_without_a_standby:
            self.see_it_stall()
        postgres.go_on_alone()
        wait_for(lambda: self.enough(self.list, self.state["done"] + 2), 120, "it goes on without the standby")
        postgres.bring_standby_back()

    def see_it_stall(self):
        def still():
            before = len(self.fleet.calls(self.entries))
            time.sleep(6)  # three times what a call takes to follow another
            return len(self.fleet.calls(self.entries)) == before
        wait_for(still, 120, "nothing is dialed while commits wait for a standby that is gone")
        self.state = self.fleet.list_state(self.list)
        assert self.state["done"] < self.state["entries"], "the list went on to its end without the standby"
        found = self.fleet.callctl("-o", "json", "doctor", "--local", "--problems", check=False).stdout
        assert "every commit waits for a standby" in found, f"the doctor does not see it: {found}"

    def go(self, name, steps):
        self.list, self.entries = name, self.fleet.entries(name)
        for number, (what, kill) in enumerate(steps, 1):
            done = self.fleet.list_state(name)["done"]
            wanted = done + (len(self.entries) - done) // (len(steps) - number + 3)
            self.state = wait_for(lambda: self.enough(name, wanted), 180, f"{wanted} entries are done before {what} dies")
            print(f"{name}: {self.state['done']:3} of {len(self.entries)} done: killing {what}", flush=True)
            kill()

    def enough(self, name, wanted):
        state = self.fleet.list_state(name)
        return state if state and state["done"] >= wanted else None


def check(fleet, name, entries):
    """Every problem as a sentence; nothing when all is well."""
    problems = []
    rows = fleet.entries(name)
    calls = fleet.calls(rows)
    counts = collections.Counter(call["to"] for call in calls)
    if len(rows) != entries:
        problems.append(f"{entries} entries went in, {len(rows)} are there")
    for row in rows:
        if row["state"] != "done":
            problems.append(f"line {row['line'] if 'line' in row else row.get('seq')} ended as {row['state']}")
        if counts[row["phone"]] != 1:
            problems.append(f"{row['phone']} was called {counts[row['phone']]} times")
    heard = {call["sid"] for call in calls if call["heard_ms"] > 0}
    if len(heard) < entries // 2:
        problems.append(f"only {len(heard)} of {entries} callees heard an agent: "
                        f"{collections.Counter(str(call['warnings']) for call in calls)}")
    lost = heard - fleet.filed() - fleet.spooled()
    if lost:
        problems.append(f"{len(lost)} of {len(heard)} conversations have no record: {sorted(lost)}")
    state = fleet.list_state(name)
    if state["state"] != "completed" or state["unknown_attempts"] != 0:
        problems.append(f"{name} is {state['state']} with {state['unknown_attempts']} unknown attempts")
    return problems


def everything_is_filed(fleet):
    """With all machines back, nothing waits: what a media node died with is recovered when it starts. What failed while
    PostgreSQL was away would be tried again after ten minutes; here a person does not wait."""
    for name in ("media1", "media2"):
        fleet.callctl("queue", "requeue", f"records-{name}", "--confirm", f"records-{name}")
    wait_for(lambda: not fleet.spooled(), 120, "every record is filed")
    rows = json.loads(fleet.callctl("-o", "json", "call", "ls", "--limit", 1000).stdout)["items"]
    differ = fleet.filed() ^ {row["call_sid"] for row in rows}
    return [f"{sorted(differ)} are filed and not listed, or listed and not filed"] if differ else []


def start_list(fleet, name, entries, first):
    contacts = "phone\n" + "".join(f"+1212555{first + n}\n" for n in range(entries))
    fleet.callctl("list", "create", name, "-", "--from", "+15005550006", "--agent", "survey", "--concurrency", 8,
                  "--calls-per-second", 2, "--time-limit", 30, stdin=contacts)
    fleet.callctl("list", "start", name, "--confirm", name)


def dial(fleet, name, entries, first, deaths):
    began = time.monotonic()
    start_list(fleet, name, entries, first)
    killer = Killer(fleet)
    killer.go(name, deaths(killer))
    fleet.callctl("list", "wait", name, "--timeout", 300, check=False)
    outcomes = collections.Counter(row["outcome"] for row in fleet.entries(name))
    print(f"{name}: {entries} entries in {time.monotonic() - began:.0f} s: {dict(outcomes)}; {len(fleet.filed())} records "
          f"filed, {len(fleet.spooled())} wait in the spool of the dead media node", flush=True)
    return check(fleet, name, entries)


def drain(fleet, entries, first):
    """media1 is told to end while it holds calls: it holds them to their end, and new ones go to media2."""
    start_list(fleet, "drain", entries, first)
    held = wait_for(lambda: fleet.metric("media1", "calld_media_calls_active"), 120, "media1 holds a call")
    process = fleet.hosts["media1"].processes.pop("media")
    process.send_signal(signal.SIGTERM)
    before = fleet.metric("media2", "calld_media_calls_total")
    code = process.wait(120)
    fleet.callctl("list", "wait", "drain", "--timeout", 300, check=False)
    taken = fleet.metric("media2", "calld_media_calls_total") - before
    print(f"drain: media1 ended with {held:.0f} calls up, media2 took the next {taken:.0f}", flush=True)
    problems = check(fleet, "drain", entries)
    if code != 0:
        problems.append(f"media1 ended with {code}")
    cut = [call for call in fleet.calls(fleet.entries("drain")) if call["warnings"] or call["heard_ms"] == 0]
    if cut:
        problems.append(f"{len(cut)} calls were cut or found nobody: {cut}")
    if not taken:
        problems.append("media2 took no calls")
    return problems


def go_through(fleet, entries):
    problems = dial(fleet, "first", entries, 1000, Killer.first)
    fleet.revive(["pg1", "redis1", "api1", "media1", "worker1", "worker2"])
    problems += everything_is_filed(fleet)
    problems += dial(fleet, "second", 2 * entries, 2000, Killer.second)  # it goes on while a standby is made anew
    fleet.revive(["pg2", "redis2", "api2", "media2", "worker3"])
    problems += everything_is_filed(fleet)
    return problems + drain(fleet, entries, 3000)


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
            problems = go_through(fleet, arguments.entries)
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
