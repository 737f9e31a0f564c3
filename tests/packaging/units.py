"""The systemd units as they are installed: how exposed they are, what each line is for, and that the daemons speak the
service manager's protocol.

    python3 tests/packaging/units.py BUILD_DIR [TestClass.test_name]
"""
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
from harness import System, free_ports, wait_for  # noqa: E402

sys.path.append(str(ROOT / "tests/interop"))
import environment  # noqa: E402: beside another test

BUILD = None
KUBERNETES = ("1.25", "1.31", "1.37")
SERVICES = {"calld-api.service": 15, "calld-worker@main.service": 15, "calld-cleanup.service": 15,
            "calld-media.service": 20}  # the highest exposure allowed, in tenths


class Units(unittest.TestCase):
    """The files, staged as a package puts them."""

    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="calld-units-"))
        cls.addClassCleanup(shutil.rmtree, cls.root)
        subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.root / "usr", "--component", "units"],
                       check=True, capture_output=True)
        found = list(cls.root.rglob("calld.target"))
        assert len(found) == 1, found
        cls.units = found[0].parent
        # Instances and the example, where systemd would look for them.
        shutil.copy(cls.units / "calld-worker@.service", cls.units / "calld-worker@main.service")
        for path in (ROOT / "packaging/examples/campaign").glob("calld-campaign@.*"):
            shutil.copy(path, cls.units / path.name.replace("@.", "@news."))

    def analyze(self, *words):
        return subprocess.run(["systemd-analyze", "--no-pager", *words], cwd=self.units, capture_output=True,
                              text=True, check=False, env={**os.environ, "SYSTEMD_UNIT_PATH": f"{self.units}:"})

    def test_exposure_stays_below_the_limit(self):
        for unit, limit in SERVICES.items():
            with self.subTest(unit):
                run = self.analyze("security", "--offline=true", f"--threshold={limit}", f"./{unit}")
                self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
                print(run.stdout.splitlines()[-1])

    def test_the_shared_hardening_reaches_every_unit(self):
        text = self.analyze("security", "--offline=true", "./calld-api.service").stdout
        self.assertRegex(text, r"✓ NoNewPrivileges=")
        media = self.analyze("security", "--offline=true", "./calld-media.service").stdout
        self.assertRegex(media, r"✗ RestrictRealtime=", "the media server may not use its real-time loops")

    def test_systemd_understands_every_unit(self):
        units = sorted(p.name for p in self.units.iterdir() if p.is_file() and "@." not in p.name)
        run = self.analyze("verify", "--man=no", *(f"./{u}" for u in units))
        # The programs need not be installed on the machine that builds them.
        complaints = [line for line in run.stderr.splitlines()
                      if "is not executable: No such file" not in line and "calld" in line]
        self.assertEqual(complaints, [])

    def without_a_reason(self, text):
        """Lines with no comment of their own and not in a group: "# Files: ..." and the lines right below it."""
        bare, covered, in_comment = [], 0, False
        for line in text.splitlines():
            if line.startswith("#"):
                if not in_comment:
                    covered = 1000 if re.match(r"# [A-Z][a-z ]+: ", line) else 1
                in_comment = True
                continue
            in_comment = False
            if not line.strip():
                covered = 0
            elif "=" in line:
                if covered == 0:
                    bare.append(line)
                covered -= 1 if covered else 0
        return bare

    def test_every_line_of_the_hardening_has_a_reason(self):
        for name in ("hardening.conf", "realtime.conf"):
            self.assertEqual(self.without_a_reason((ROOT / "packaging/systemd" / name).read_text()), [], name)
        self.assertEqual(self.without_a_reason("# One.\nA=1\nB=2\n# Group: of two\n# lines.\nC=3\nD=4\n\nE=5\n"), ["B=2", "E=5"])
        for name in ("calld-api.service", "calld-worker@.service", "calld-media.service"):
            bare = self.without_a_reason((ROOT / "packaging/systemd" / name).read_text())
            self.assertFalse([line for line in bare if line.startswith(("Limit", "TasksMax"))], name)

    def test_nobody_is_dialed_while_conversations_end(self):
        """A worker that ran on would call people to a media server that takes no calls any more."""
        text = (self.units / "calld-worker@.service").read_text()
        self.assertIn("calld-media.service", " ".join(re.findall(r"(?m)^After=(.*)$", text)).split())

    def test_a_campaign_does_not_begin_late(self):
        """Whatever starts the service: a machine that was suspended at the time of its timer fires when it wakes."""
        text = (ROOT / "packaging/examples/campaign/calld-campaign@.service").read_text()
        condition = re.search(r"(?m)^ExecCondition=/bin/sh -c '(.*)'$", text)[1].replace("%%", "%")

        def begins(by):
            return subprocess.run(["/bin/sh", "-c", condition], env={"PATH": os.environ["PATH"], "BEGIN_BY": by},
                                  check=False).returncode == 0
        self.assertTrue(begins("now + 1 minute"))
        self.assertFalse(begins("now - 1 minute"))
        self.assertTrue(begins("23:59:59"))
        self.assertFalse(begins("00:00"))
        self.assertRegex(text, r'--not-after "\$\(date --date "\$END" --iso-8601=seconds\)"')

    def test_the_media_server_goes_before_the_others(self):
        def value(unit, key):
            return int(re.search(rf"(?m)^{key}=(-?\d+)$", (self.units / unit).read_text())[1])
        media, api, worker, cleanup = ("calld-media.service", "calld-api.service", "calld-worker@.service",
                                       "calld-cleanup.service")
        for key in ("CPUWeight", "IOWeight"):
            weights = [value(unit, key) for unit in (media, api, worker, cleanup)]
            self.assertEqual(weights, sorted(set(weights), reverse=True), f"{key} of media, api, worker, clean-up")
        self.assertLess(value(media, "Nice"), 0)
        self.assertGreater(value(worker, "Nice"), 0)

    def test_the_target_brings_everything(self):
        wants = re.search(r"(?m)^Wants=(.*)$", (self.units / "calld.target").read_text())[1].split()
        self.assertEqual(set(wants), {"calld-api.service", "calld-worker@main.service", "calld-media.service",
                                      "calld-cleanup.timer"})

    def test_no_timer_fires_late(self):
        timers = list(self.units.glob("*.timer"))
        self.assertGreaterEqual(len(timers), 2)
        for timer in timers:
            self.assertRegex(timer.read_text(), r"(?m)^Persistent=false$", timer.name)

    def test_no_unit_holds_a_secret_in_its_environment(self):
        for unit in self.units.glob("*.service"):
            self.assertNotRegex(unit.read_text(), r"(?mi)^Environment=.*(token|secret|password)", unit.name)
            self.assertIn("LoadCredential=calld:/etc/calld/secrets", unit.read_text(), unit.name)


class Examples(unittest.TestCase):
    """Files that people copy, judged by the program that each is for."""

    def setUp(self):
        self.dir = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="calld-examples-")))

    def calld_understands(self, text):
        path = self.dir / "calld.toml"
        path.write_text(text)
        run = subprocess.run([pathlib.Path(BUILD) / "bin/calld", "config", "check", "--config", path],
                             capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_calld_toml_as_installed_and_with_every_key_in_force(self):
        text = (ROOT / "packaging/config/calld.toml").read_text()
        self.calld_understands(text)
        self.calld_understands(re.sub(r"(?m)^#(\w+ = )", r"\1", text))
        self.calld_understands((ROOT / "packaging/examples/machines/calld.toml").read_text())

    def test_haproxy_cfg(self):
        pem = self.dir / "calld.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=calls.example.com",
                        "-keyout", self.dir / "key", "-out", self.dir / "crt"], check=True, capture_output=True)
        pem.write_text((self.dir / "crt").read_text() + (self.dir / "key").read_text())
        text = (ROOT / "packaging/examples/machines/haproxy.cfg").read_text()
        self.assertIn("/etc/haproxy/calld.pem", text)
        (self.dir / "haproxy.cfg").write_text(text.replace("/etc/haproxy/calld.pem", str(pem)))
        haproxy = shutil.which("haproxy") or "/usr/sbin/haproxy"
        run = subprocess.run([haproxy, "-c", "-f", self.dir / "haproxy.cfg"], capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertNotIn("WARNING", run.stderr)


    def test_the_tutorial_is_what_the_packages_test_follows(self):
        """Each block of it is taken by its words, and none is left out but what makes and installs the packages."""
        def block(words):
            return subprocess.run([ROOT / "tests/packaging/tutorial", words], capture_output=True, text=True, check=False)
        self.assertNotEqual(block("no such words").returncode, 0)
        test = (ROOT / "packaging/test-deb.sh").read_text()
        followed = {quoted or plain for quoted, plain in
                    re.findall(r"(?m)^(?: *|\w+=\$\()(?:follow|tutorial) (?:'([^']+)'|([\w-]+))", test)}
        taken = ""
        for words in followed:
            self.assertEqual(block(words).returncode, 0, f"the tutorial has no block with: {words}")
            taken += block(words).stdout
        tutorial = (ROOT / "docs/tutorial.md").read_text()
        left = [line[4:] for line in tutorial.splitlines() if line.startswith("    ") and line[4:] not in taken]
        self.assertEqual(left, ["packaging/build-deb.sh", "cd build/deb",
                                "sudo apt install ./calld_*.deb ./callctl_*.deb postgresql redis-server caddy"])

    def test_kubernetes(self):
        """By the schemas of Kubernetes; what is in its ConfigMap and its commands by calld."""
        lines = (ROOT / "tests/packaging/requirements.txt").read_text().split()
        python = environment.python_with(lines, pathlib.Path(BUILD) / "kubernetes")
        manifest = ROOT / "packaging/examples/machines/calld.k8s.yaml"
        for version in KUBERNETES:
            run = subprocess.run([python.parent / "kubernetes-validate", "--strict", "-k", version, manifest],
                                 capture_output=True, text=True, check=False)
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        load = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))"
        run = subprocess.run([python, "-c", load, manifest], capture_output=True, text=True, check=True)
        documents = json.loads(run.stdout)
        self.calld_understands(next(d for d in documents if d["kind"] == "ConfigMap")["data"]["calld.toml"])
        containers = [c for d in documents if "template" in d.get("spec", {}) for c in d["spec"]["template"]["spec"]["containers"]]
        self.assertEqual(len(containers), 4)
        for container in containers:
            self.calld_knows(container["command"][1:], [v["name"] for v in container.get("env", [])])

    def calld_knows(self, words, variables):
        """Its subcommand and options, and the keys that the variables stand for."""
        calld = pathlib.Path(BUILD) / "bin/calld"
        run = subprocess.run([calld, *words, "--help"], capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 0, words)
        text = subprocess.run([calld, "config", "keys"], capture_output=True, text=True, check=True).stdout
        keys = {f"CALLD_{section}_{key}".upper() for section, below in re.findall(r"(?ms)^\[(\w+)\](.*?)(?=^\[|\Z)", text)
                for key in re.findall(r"(?m)^  (\w+) \(", below)}
        self.assertLessEqual({name for name in variables if name.startswith("CALLD_")}, keys)

    def test_nomad(self):
        """Nomad itself is in no package registry of ours: what calld reads of the file is all that is looked at."""
        text = (ROOT / "packaging/examples/machines/calld.nomad.hcl").read_text()
        commands = re.findall(r'args += \[(.*)\]', text)
        roles = [re.match(r'"(\w+)"', words)[1] for words in commands]
        self.assertEqual(sorted(roles), ["api", "media", "worker", "worker"])
        for words in commands:
            self.calld_knows(re.findall(r'"([^"]*)"', words), re.findall(r"^ +(CALLD_\w+)", text, re.M))
        # raw_exec: what listens on one client has one network.
        ports = re.findall(r'(?:LISTEN +=|"--listen",) "[^"]*:(\d+)"', text)
        self.assertEqual(len(ports), len(commands), "a task listens where the defaults say")
        self.assertEqual(len(set(ports)), len(ports), f"{ports}: two tasks share a port")


class ServiceManager:
    """The socket of sd_notify(3), and a program started as a unit of Type=notify would be."""

    def __init__(self, directory, command, env):
        self.messages = []
        path = directory / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.log_path = directory / "service.log"
        self.log = open(self.log_path, "wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
                                        env={**env, "NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "4000000"})

    def read(self):
        while True:
            try:
                self.messages += self.socket.recv(4096).decode().splitlines()
            except OSError:
                return

    def log_text(self):
        return self.log_path.read_bytes()

    def count(self, message):
        return sum(m.startswith(message) for m in self.messages)

    def wait_for(self, message, times=1):
        def there():
            if self.process.poll() is not None and self.count(message) < times:
                raise AssertionError(f"it ended before {message}: {self.log_text().decode()}")
            return self.count(message) >= times
        wait_for(there, 60, f"{times} x {message}; got {self.messages}")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.reader.join(5)
        self.log.close()


class Notify(unittest.TestCase):
    """Each role under a service manager: ready, watchdog, status, end."""

    @classmethod
    def setUpClass(cls):
        cls.system = System(pathlib.Path(BUILD) / "bin", "").__enter__()
        cls.addClassCleanup(cls.system.__exit__)

    def start(self, role, *options):
        directory = pathlib.Path(tempfile.mkdtemp(dir=self.system.dir))
        (port,) = free_ports(1)
        env = {**self.system.env, f"CALLD_{role.upper()}_LISTEN": f"127.0.0.1:{port}",
               "CALLD_SERVICE_RUNTIME_DIR": str(directory), "CALLD_MEDIA_SPOOL_DIR": str(directory / "spool")}
        service = ServiceManager(directory, [self.system.bin / "calld", role, "--config",
                                             self.system.state / "calld.toml", *options], env)
        self.addCleanup(service.close)
        service.wait_for("READY=1")
        return service

    def lives_as_a_service(self, role, *options):
        service = self.start(role, *options)
        service.wait_for("WATCHDOG=1", 3)
        self.assertGreater(service.count("STATUS="), 0)
        service.process.send_signal(signal.SIGTERM)
        service.wait_for("STOPPING=1")
        self.assertEqual(service.process.wait(60), 0)
        return service

    def test_api(self):
        self.lives_as_a_service("api")

    def test_worker(self):
        service = self.lives_as_a_service("worker", "--name", "under-systemd", "--queues", "of-this-test")
        self.assertGreater(service.count("EXTEND_TIMEOUT_USEC="), 0)

    def test_media(self):
        service = self.lives_as_a_service("media")
        self.assertGreater(service.count("EXTEND_TIMEOUT_USEC="), 0)

    def test_a_loop_that_hangs_starves_the_watchdog(self):
        """The main thread and every other thread go on; one I/O loop of the media server is stopped."""
        service = self.start("media")
        service.wait_for("WATCHDOG=1", 2)
        with StoppedThread(service.process.pid, "media-0"):
            wait_for(lambda: b"media-0 has made no progress" in service.log_text(), 60,
                     "the hanging loop is noticed")
            before = service.count("WATCHDOG=1")
        service.wait_for("WATCHDOG=1", before + 2)


class StoppedThread:
    """Stops one thread of a child process, as a debugger would."""

    SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17

    def __init__(self, pid, name):
        self.libc = ctypes.CDLL(None, use_errno=True)
        (self.tid,) = [int(t.name) for t in pathlib.Path(f"/proc/{pid}/task").iterdir()
                       if (t / "comm").read_text().strip() == name]

    def ptrace(self, request):
        null = ctypes.c_void_p(0)
        if self.libc.ptrace(request, self.tid, null, null) != 0:
            raise OSError(ctypes.get_errno(), f"ptrace {request} of thread {self.tid}")

    def __enter__(self):
        self.ptrace(self.SEIZE)
        self.ptrace(self.INTERRUPT)
        os.waitpid(self.tid, 0x40000000)  # __WALL: until it has stopped

    def __exit__(self, *_):
        self.ptrace(self.DETACH)


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
