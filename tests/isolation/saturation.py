#!/usr/bin/env python3
"""Saturates the machine around a media server and compares the lateness of its frames with the same server's before.

    tests/isolation/saturation.py --build build/release [--calls 60] [--seconds 8]

The load, on the same cores: the API and its database are asked as fast as threads can ask, a worker runs jobs that only
compute, sockets that talk nonsense are opened and closed, a disk is written and synced, and other callers of the same
server converse through a recogniser, a language model and a voice over sockets. The media server's own histogram calld_media_tick_lateness_seconds tells how late its loops ran; a share of late ticks that moves with the load
fails. Also: SIGTERM drains, which /readyz says, and running calls end by themselves."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
from conversation import AGENT  # noqa: E402

LATE_S = 0.02  # a frame
TALKERS = 20


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def grant_realtime():
    """As LimitRTPRIO= of the unit does. Not allowed for everybody: then the server takes what it gets, and says so."""
    try:
        resource.setrlimit(resource.RLIMIT_RTPRIO, (10, 10))
    except (ValueError, OSError):
        pass


class Engines:
    """Recogniser, language model and voice of an agent named bench, in a process of their own."""

    def __init__(self, build, agents):
        self.process = subprocess.Popen([build / "bin/scripted_engines", "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        agents.mkdir()
        (agents / "bench.toml").write_text(AGENT.format(port=int(self.process.stdout.readline())))

    def end(self):
        """How many answers of the language model were asked for."""
        return sum(json.loads(line)["what"] == "chat_request" for line in self.process.communicate()[0].splitlines())


class Media:
    def __init__(self, build, scratch):
        self.port = free_port()
        config = scratch / "media.toml"
        config.write_text(f'[media]\nlisten = "127.0.0.1:{self.port}"\nauth = "none"\nloops = 1\nmax_calls = 1000\n'
                          f'spool_dir = "{scratch}/spool"\nagents_dir = "{scratch}/agents"\ndrain_timeout = "60s"\n[service]\nruntime_dir = "{scratch}"\n')
        self.log = scratch / "media.log"
        self.process = subprocess.Popen([build / "bin/calld", "media", "--config", config], stderr=self.log.open("w"),
                                        preexec_fn=grant_realtime)
        deadline = time.monotonic() + 60
        while get(self.url("/readyz"))[0] != 200:
            if time.monotonic() > deadline or self.process.poll() is not None:
                sys.exit("saturation: the media server does not come up:\n" + self.log.read_text())
            time.sleep(0.1)

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def late_and_all(self):
        text = get(self.url("/metrics"))[1]
        buckets = dict(re.findall(r'calld_media_tick_lateness_seconds_bucket\{le="([^"]+)"\} (\d+)', text))
        everything = int(buckets.get("+Inf", 0))
        good = int(next(n for le, n in buckets.items() if le != "+Inf" and abs(float(le) - LATE_S) < 1e-9)) if buckets else 0
        return everything - good, everything

    def priority(self):
        found = re.search(r"media-0 runs at (\S+) priority", self.log.read_text())
        return found.group(1) if found else "unknown"


def measure(media, load_program, calls, seconds):
    before = media.late_and_all()
    done = subprocess.run([load_program, "--port", str(media.port), "--calls", str(calls), "--seconds", str(seconds)],
                          stdout=subprocess.PIPE, text=True, check=True)
    after = media.late_and_all()
    ticks = after[1] - before[1]
    if ticks < 50:
        sys.exit(f"saturation: only {ticks} ticks were measured")
    return (after[0] - before[0]) / ticks, ticks, json.loads(done.stdout)


class Storm:
    """Everything else that the machine could do, until it is stopped."""

    def __init__(self, build, scratch, system):
        self.stop = threading.Event()
        self.counts = {"api": 0, "jobs": 0, "sockets": 0, "synced MB": 0}
        self.build, self.scratch, self.system = build, scratch, system
        self.pool = concurrent.futures.ThreadPoolExecutor(8)
        for work in (self.api, self.api, self.sockets, self.disk, self.jobs):
            self.pool.submit(self.until_stopped, work)
        # What a worker computes: as many busy processes as there are cores, and one.
        self.burners = [subprocess.Popen([sys.executable, "-c", "while True: sum(range(10000))"])
                        for _ in range((os.cpu_count() or 2) + 1)]
        self.talkers = subprocess.Popen([build / "bin/conversation_load", f"ws://127.0.0.1:{system['media_port']}/ws/twilio-media",
                                         str(TALKERS), str(system["seconds"]), "0"], stdout=subprocess.DEVNULL)

    def until_stopped(self, work):
        while not self.stop.is_set():
            work()

    def api(self):
        if get(self.system["api"] + "/readyz")[0] == 200:  # asks PostgreSQL each time
            self.counts["api"] += 1

    def jobs(self):
        done = subprocess.run([self.build / "bin/callctl", "--config", self.system["config"], "job", "enqueue",
                               "calld.noop", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.counts["jobs"] += done.returncode == 0

    def sockets(self):
        try:
            with socket.create_connection(("127.0.0.1", self.system["media_port"]), 5) as s:
                s.sendall(b"GET /ws/twilio-media HTTP/1.1\r\nnonsense\r\n\r\n")
                s.recv(1000)
            self.counts["sockets"] += 1
        except OSError:
            pass

    def disk(self):
        with open(self.scratch / "storm", "wb") as out:
            out.write(os.urandom(1 << 20) * 8)
            out.flush()
            os.fsync(out.fileno())
        self.counts["synced MB"] += 8

    def end(self):
        self.stop.set()
        for burner in self.burners:
            burner.kill()
            burner.wait()
        self.pool.shutdown()
        self.talkers.wait(60)
        return self.counts


def check_drain(media, load_program):
    """SIGTERM while calls run: not ready, no new calls, the running ones end by themselves, exit 0."""
    load = subprocess.Popen([load_program, "--port", str(media.port), "--calls", "5", "--seconds", "6"],
                            stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while "calld_media_calls_active 5" not in get(media.url("/metrics"))[1]:
        if time.monotonic() > deadline:
            sys.exit("saturation: the calls do not begin")
        time.sleep(0.1)
    media.process.send_signal(signal.SIGTERM)
    while (ready := get(media.url("/readyz")))[0] == 200:
        if time.monotonic() > deadline:
            sys.exit("saturation: /readyz says ready while the server drains")
        time.sleep(0.05)
    result = load.communicate(timeout=120)[0]
    problems = []
    if ready[0] != 503 or "draining" not in ready[1]:
        problems.append(f"/readyz of a draining server answers {ready}")
    if not result or json.loads(result)["lost"] != 0:
        problems.append(f"calls lost frames while the server drained: {result}")
    if media.process.wait(60) != 0:
        problems.append(f"the drained server ended with {media.process.returncode}")
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--seconds", type=int, default=8)
    args = parser.parse_args()
    build = args.build.resolve()
    load_program = next(p for p in (build / "bin/echo_load", build / "tests/bench/media/echo_load") if p.exists())
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="saturation-"))
    scratch.chmod(0o755)  # PostgreSQL's own user must reach it
    up = [build / "bin/calld", "up", "--state-dir", scratch / "state"]
    system = subprocess.Popen([*up, "--free-ports"], stdout=subprocess.DEVNULL, stderr=(scratch / "up.log").open("w"))
    try:
        subprocess.run([*up, "--wait-ready", "90"], check=True, stdout=subprocess.DEVNULL)
        engines = Engines(build, scratch / "agents")
        media = Media(build, scratch)
        quiet, quiet_ticks, _ = measure(media, load_program, args.calls, args.seconds)
        config = scratch / "state/calld.toml"
        text = config.read_text()
        api = re.search(r'\[api\][^\[]*?listen *= *"([^"]+)"', text, re.S)
        storm = Storm(build, scratch, {"api": f"http://{api.group(1)}", "config": config, "media_port": media.port,
                                        "seconds": args.seconds})
        loaded, loaded_ticks, frames = measure(media, load_program, args.calls, args.seconds)
        work = storm.end() | {"answers of the model": engines.end()}
        priority = media.priority()
        print(f"priority {priority}; ticks later than {LATE_S * 1000:.0f} ms: {quiet:.2%} of {quiet_ticks} before, "
              f"{loaded:.2%} of {loaded_ticks} under load ({work}); frames lost {frames['lost']}")
        # An ordinary thread shares the cores with everybody: then this only has to be said.
        room = 0.02 if priority == "real-time" else 0.25
        problems = []
        if loaded > quiet + room:
            problems.append(f"the share of late ticks moved from {quiet:.2%} to {loaded:.2%}")
        if frames["lost"] != 0:
            problems.append(f"{frames['lost']} frames were lost")
        if min(work.values()) == 0:
            problems.append(f"a part of the load did nothing: {work}")
        problems += check_drain(media, load_program)
        for problem in problems:
            print(problem)
        return 1 if problems else 0
    finally:
        subprocess.run([*up, "--stop"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        system.wait(60)
        for started in ("media", "engines"):
            process = getattr(locals().get(started), "process", None)
            if process and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(scratch, ignore_errors=True)


sys.exit(main())
