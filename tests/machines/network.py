"""Several machines on one: network namespaces on a bridge of their own. Nothing of it can reach, or be reached from, the
real network. Needs root and iproute2."""
import os
import signal
import subprocess
import time

BRIDGE = "switch"


def run(*words, check=True, **options):
    return subprocess.run([str(w) for w in words], check=check, capture_output=True, text=True, **options)


class Machine:
    """A namespace with one address, and the processes in it."""

    def __init__(self, network, name, address):
        self.network = network
        self.name = name
        self.address = address
        self.space = f"{network.prefix}-{name}"
        self.dir = network.dir / name
        self.processes = {}
        self.dir.mkdir()
        self.dir.chmod(0o755)

    def plug_in(self, number):
        cable = f"c{number}"
        run("ip", "netns", "add", self.space)
        run("ip", "-n", self.network.space, "link", "add", cable, "type", "veth", "peer", "name", "eth0",
            "netns", self.space)
        run("ip", "-n", self.network.space, "link", "set", cable, "master", BRIDGE, "up")
        run("ip", "-n", self.space, "address", "add", f"{self.address}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            run("ip", "-n", self.space, "link", "set", link, "up")

    def command(self, *words, user=None):
        become = ["runuser", "-u", user, "--"] if user else []
        return ["ip", "netns", "exec", self.space, *become, *[str(w) for w in words]]

    def start(self, label, *words, user=None, env=None):
        """A process that goes on; its output is in LABEL.log."""
        with open(self.dir / f"{label}.log", "ab") as log:
            self.processes[label] = subprocess.Popen(
                self.command(*words, user=user), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env={**os.environ, **(env or {})}, start_new_session=True)

    def run(self, *words, user=None, check=True, env=None, timeout=120, stdin=None):
        done = subprocess.run(self.command(*words, user=user), check=False, capture_output=True, text=True,
                              env={**os.environ, **(env or {})}, timeout=timeout, input=stdin)
        if check and done.returncode != 0:
            raise AssertionError(f"on {self.name}: {' '.join(map(str, words))}: exit {done.returncode}\n{done.stderr}")
        return done

    def kill(self, label=None, sig=signal.SIGKILL):
        """As a power cut: everything on this machine, or one process and its children."""
        for name in [label] if label else list(self.processes):
            process = self.processes.pop(name)
            try:
                os.killpg(process.pid, sig)
            except ProcessLookupError:
                pass
            process.wait()
        if label is None:
            self.kill_left(sig)

    def kill_left(self, sig):
        """What has left the group of the process that started it."""
        end = time.monotonic() + 10
        while left := run("ip", "netns", "pids", self.space).stdout.split():
            for pid in left:
                try:
                    os.kill(int(pid), sig if time.monotonic() < end else signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.1)

    def log(self, label):
        path = self.dir / f"{label}.log"
        return path.read_text(errors="replace") if path.exists() else ""


class Network:
    def __init__(self, directory):
        self.dir = directory
        self.prefix = f"calld{os.getpid()}"
        self.space = f"{self.prefix}-{BRIDGE}"
        self.machines = {}

    def __enter__(self):
        run("ip", "netns", "add", self.space)
        run("ip", "-n", self.space, "link", "add", BRIDGE, "type", "bridge")
        run("ip", "-n", self.space, "link", "set", BRIDGE, "up")
        return self

    def __exit__(self, *_):
        for machine in self.machines.values():
            machine.kill(sig=signal.SIGTERM if machine.name.startswith("pg") else signal.SIGKILL)
            run("ip", "netns", "del", machine.space, check=False)
        run("ip", "netns", "del", self.space, check=False)

    def add(self, name, address):
        machine = Machine(self, name, address)
        self.machines[name] = machine
        machine.plug_in(len(self.machines))
        return machine


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.25)
