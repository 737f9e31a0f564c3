"""One system under test: PostgreSQL, Redis, the simulated carrier, an API and workers, each a real process.

Everything that can be killed here is restarted at the same address by supervise(); whatever was started ends with
the System. The roles run calld-chaos, the simulator runs calld: the oracle itself never fails.
"""
import glob
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from harness import free_ports  # noqa: E402

ACCOUNT = "AC" + "0" * 31 + "1"
TOKEN = "chaos-token"
LEASE_S = 2.0
DEADLINE_S = 12
TIMEOUT_S = 2
STOPPED_S = 2 * LEASE_S + 0.2
FAKETIME = "/usr/lib/*/faketime/libfaketime.so.1"

CONFIG = """
[service]
role = "api"
runtime_dir = "{dir}/run"
[log]
level = "{level}"
[database]
url = "{database}"
pool_size = 12
[redis]
url = "redis://127.0.0.1:{redis}/0"
[carrier]
base_url = "http://127.0.0.1:{sim}"
account_sid = "{account}"
auth_token_file = "{dir}/token"
timeout = "{timeout}s"
calls_per_second = {rate}
concurrency = {account_cap}
[api]
listen = "127.0.0.1:{api}"
public_url = "http://127.0.0.1:{api}"
threads = 12
[media]
public_url = "ws://127.0.0.1:{media}"
[worker]
concurrency = 12
spool_dir = "{dir}/spool"
records_dir = "{dir}/records"
[dialer]
slice = "4s"
lease_ttl = "{lease}s"
unknown_grace = "1s"
unknown_deadline = "{deadline}s"
overdue_grace = "1s"
[sim]
listen = "127.0.0.1:{sim}"
script = "{dir}/callers.toml"
calls_per_second = 2000
truth_dir = "{dir}/truth"
seed = {seed}
"""

CALLERS = """
[defaults]
ring_s = 0.1
hang_up_after_s = 1
patience_s = 1
"""


def uptime():
    """Seconds since the machine started, as the SQL function chaos_uptime() has them: no clock that jumps."""
    return float(pathlib.Path("/proc/uptime").read_text().split()[0])


STARTED = time.time() - uptime()  # in seconds since 1970


def true_time():
    """In seconds since 1970, by uptime(): comparable with what chaos_uptime() notes, and cut to its 10 ms."""
    return STARTED + uptime()


def service_user():
    """PostgreSQL refuses to run as root."""
    return {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}


class Process:
    """A process that is started again with the same arguments."""

    def __init__(self, name, argv, log, env=None, **options):
        self.name, self.argv, self.log, self.env, self.options = name, argv, log, env or {}, options
        self.popen = None
        self.starts = 0

    def start(self, extra=None):
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(self.argv, env={**os.environ, **self.env, **(extra or {})}, stdout=log,
                                          stderr=log, stdin=subprocess.DEVNULL, **self.options)
        self.starts += 1

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen is not None and self.popen.poll() is None

    def signal(self, sig):
        if self.alive():
            self.popen.send_signal(sig)

    def end(self, sig, seconds=20):
        """Sends the signal, waits, kills what is still there."""
        if not self.alive():
            return
        self.popen.send_signal(signal.SIGCONT)
        self.popen.send_signal(sig)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


class System:
    def __init__(self, bin_dir, chaos, seed, workers=2, durable=False, settings=None, clock=False):
        """`settings`: values of CONFIG that shall differ. `durable`: PostgreSQL waits for the disk. `clock`: it has one
        that set_clock() can put forth and back."""
        self.bin = pathlib.Path(bin_dir).resolve()
        self.chaos = pathlib.Path(chaos).resolve()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="calld-chaos-", dir="/tmp"))
        self.dir.chmod(0o755)
        self.lock = threading.RLock()
        self.ending = threading.Event()
        self.resume_at = {}  # pid -> when a stopped process goes on
        self.stops = []  # (when one was stopped at the latest, when it went on), in seconds since 1970
        self.clock = [(0, 0.0)]  # (since when at the earliest, how far PostgreSQL's clock is ahead)
        self.token = ""  # of the API
        names = ["pg", "redis", "sim", "api", "media"] + [f"worker{n}" for n in range(workers)]
        self.port = dict(zip(names, free_ports(len(names))))
        self.database = f"postgresql://calld@127.0.0.1:{self.port['pg']}/calld"
        self.plan = self.dir / "plan"
        self._configure({"seed": seed, **(settings or {})})
        self._processes(workers, durable, self._clock_env() if clock else {})

    def _clock_env(self):
        library = glob.glob(FAKETIME)
        if not library:
            raise SystemExit("PostgreSQL's clock cannot be moved: install the package faketime")
        self.set_clock(0.0)
        return {"LD_PRELOAD": library[0], "FAKETIME_TIMESTAMP_FILE": str(self.dir / "clock"), "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}

    def set_clock(self, ahead):
        """All of PostgreSQL's processes see it at once."""
        self.clock.append((true_time(), ahead))
        (self.dir / "clock.new").write_text(f"{ahead:+.2f}\n")
        (self.dir / "clock.new").chmod(0o644)
        (self.dir / "clock.new").rename(self.dir / "clock")

    def _configure(self, settings):
        (self.dir / "token").write_text(TOKEN)
        (self.dir / "token").chmod(0o600)
        (self.dir / "callers.toml").write_text(CALLERS)
        for name in ("run", "spool", "records", "truth", "log", "redis"):
            (self.dir / name).mkdir()
        (self.dir / "calld.toml").write_text(CONFIG.format(
            **{"dir": self.dir, "database": self.database, "account": ACCOUNT, "timeout": TIMEOUT_S,
               "lease": int(LEASE_S), "deadline": DEADLINE_S, "rate": 1000, "account_cap": 0, "level": "info", **self.port, **settings}))
        self.env = {"CALLD_CONFIG": str(self.dir / "calld.toml"), "CALLD_CRASH_PLAN": str(self.plan), "TERM": "dumb"}

    def _processes(self, workers, durable, clock_env):
        self.pg_bin = pathlib.Path(sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))[-1]).parent
        log = self.dir / "log"
        self.postgres = Process("postgres", [self.pg_bin / "postgres", "-D", self.dir / "pg", "-p", str(self.port["pg"]),
                                             "-c", "unix_socket_directories=", "-c", "listen_addresses=127.0.0.1",
                                             # What the trials kill is PostgreSQL, never the machine.
                                             "-c", f"fsync={'on' if durable else 'off'}", "-c", "max_connections=200"],
                                log / "postgres.log", clock_env, **service_user())
        self.redis = Process("redis", ["redis-server", "--port", str(self.port["redis"]), "--bind", "127.0.0.1",
                                       "--dir", self.dir / "redis", "--appendonly", "yes", "--save", ""],
                             log / "redis.log")
        self.sim = Process("sim", [self.bin / "calld", "sim"], log / "sim.log", self.env)
        self.api = Process("api", [self.chaos, "api"], log / "api.log", self.env)
        self.workers = [Process(f"worker{n}", [self.chaos, "worker", "--listen", f"127.0.0.1:{self.port[f'worker{n}']}"],
                                log / f"worker{n}.log", self.env) for n in range(workers)]

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.ending.set()
        for process in [*self.workers, self.api, self.sim]:
            process.end(signal.SIGKILL)
        self.redis.end(signal.SIGKILL)
        self.postgres.end(signal.SIGQUIT)

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def _start(self):
        data = self.dir / "pg"
        data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(data, "postgres", "postgres")
        subprocess.run([self.pg_bin / "initdb", "-D", data, "-U", "calld", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
                        "--no-sync", "--no-instructions"], check=True, stdout=subprocess.DEVNULL, cwd="/",
                       **service_user())
        self.start_postgres()
        self.redis.start()
        subprocess.run(["psql", "-Xq", self.database.rsplit("/", 1)[0] + "/postgres", "-c", "CREATE DATABASE calld"],
                       check=True)
        self.callctl("db", "migrate")
        self.sim.start()
        self.api.start()
        for worker in self.workers:
            worker.start()
        self.wait(lambda: self.get("sim", "/readyz") and self.get("api", "/readyz"), 60, "simulator and API")
        threading.Thread(target=self._supervise, daemon=True).start()

    def start_postgres(self):
        """Right after a kill -9 the old backends may hold the shared memory for a moment."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            (self.dir / "pg" / "postmaster.pid").unlink(missing_ok=True)
            self.postgres.start()
            while self.postgres.alive() and time.monotonic() < end:
                if subprocess.run([self.pg_bin / "pg_isready", "-q", "-d", self.database], check=False).returncode == 0:
                    return
                time.sleep(0.05)
        raise AssertionError("PostgreSQL does not start")

    def _supervise(self):
        """Restarts what died, continues what was stopped for longer than its lease."""
        draws = self.restart_env if hasattr(self, "restart_env") else lambda name: {}
        seen = 0
        while not self.ending.is_set():
            fired = pathlib.Path(str(self.plan) + ".fired")
            lines = fired.read_text().splitlines() if fired.exists() else []
            for line in lines[seen:]:
                number, pid = map(int, line.split())
                if self.actions.get(number) == "stop":
                    self.resume_at[pid] = time.monotonic() + STOPPED_S
            seen = len(lines)
            with self.lock:
                for pid, when in list(self.resume_at.items()):
                    if time.monotonic() >= when:
                        del self.resume_at[pid]
                        if any(p.alive() and p.pid == pid for p in [self.api, *self.workers]):
                            os.kill(pid, signal.SIGCONT)
                            now = true_time()
                            self.stops.append((now - STOPPED_S - 1, now))
                if not self.ending.is_set():
                    for process in [self.api, *self.workers]:
                        if not process.alive():
                            process.start(draws(process.name))
            time.sleep(0.05)

    # What the faults do.
    actions = {}

    def stop_for_a_while(self, process):
        with self.lock:
            if process.alive():
                self.resume_at[process.pid] = time.monotonic() + STOPPED_S
                process.signal(signal.SIGSTOP)

    def restart_redis(self, sig):
        self.redis.end(sig)
        time.sleep(0.3)
        self.redis.start()

    def restart_postgres(self, sig):
        self.postgres.end(sig)
        time.sleep(0.2)
        self.start_postgres()

    # Talking to it.
    def callctl(self, *words, check=True):
        run = subprocess.run([self.bin / "callctl", *map(str, words)], env={**os.environ, **self.env}, text=True,
                             capture_output=True, check=False, timeout=120)
        if check and run.returncode != 0:
            raise AssertionError(f"callctl {' '.join(map(str, words))}: exit {run.returncode}\n{run.stdout}{run.stderr}")
        return run

    def sql(self, statement, tries=1):
        """Rows of text."""
        for left in range(tries, 0, -1):
            run = subprocess.run(["psql", "-XAtq", "-F", "\x1f", "-R", "\x1e", self.database, "-c", statement], text=True,
                                 capture_output=True, check=False)
            if run.returncode == 0:
                text = run.stdout.strip("\n\x1e")
                return [row.strip("\n").split("\x1f") for row in text.split("\x1e")] if text else []
            if left > 1:
                time.sleep(0.5)
        raise AssertionError(f"{statement}\n{run.stderr}")

    def get(self, role, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port[role]}{path}", timeout=10) as answer:
                return answer.read().decode()
        except OSError:
            return None

    def post(self, path):
        """The status of a request to the API; 0: nobody answered."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port['api']}{path}", method="POST", data=b"",
                                         headers={"Authorization": f"Bearer {self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def add_faults(self, rules):
        from base64 import b64encode
        auth = "Basic " + b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        for start in range(0, len(rules), 5000):
            request = urllib.request.Request(f"http://127.0.0.1:{self.port['sim']}/sim/faults", method="POST",
                                             data=json.dumps({"fault": rules[start:start + 5000]}).encode(),
                                             headers={"Authorization": auth})
            urllib.request.urlopen(request, timeout=30).close()

    def creates(self):
        """The oracle: accepted creates by SID."""
        out = {}
        for line in (self.dir / "truth" / "creates.jsonl").read_text().splitlines():
            create = json.loads(line)
            if create["accepted"]:
                out[create["sid"]] = create
            else:
                out.pop(create["sid"], None)
        return out

    @staticmethod
    def wait(condition, seconds, what):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {what}")
            time.sleep(0.2)
