#!/usr/bin/env python3
"""How many calls one core carries: calld's echo agent, a Python ASGI bridge and Node's ws, in one run.

    tests/bench/media/echo.py --build build/release [--servers calld,python,node] [--levels 200,400,...] [--seconds 10]
    tests/bench/media/echo.py --build build/release --short 100000          no growth over many short calls
    tests/bench/media/echo.py --build build/release --soak 1800 --levels 400  no growth over time

The generator (echo_load) has a core, the server another. A level is held when no frame is lost and the delay that a frame
sees stays under 10 ms (p99) and 20 ms (p99.9). The delay counts all of it: server, kernel and the generator's own share.
The server's memory is told for each call; calld promises less than 100 KB.
The packages of the baselines are fetched from PyPI and npm into --work, once."""
import argparse
import atexit
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from cores import raise_loops  # noqa: E402

SERVER_CORE, LOAD_CORE = "0", "1"
KB_PER_CALL = 100


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"echo.py: the server ended with {process.returncode}")
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    sys.exit("echo.py: the server does not come up")


def python_venv(work):
    venv = work / "venv"
    if not (venv / "ok").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "-q", "uvicorn", "websockets", "starlette"], check=True)
        (venv / "ok").touch()
    return venv / "bin/python"


def node_modules(work):
    if not (work / "node_modules/ws").exists():
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", work, "ws"], check=True)
    return work / "node_modules"


def command_of(server, port, args, scratch):
    if server == "calld":
        config = scratch / "calld.toml"
        config.write_text(
            f'[media]\nlisten = "127.0.0.1:{port}"\nauth = "none"\nloops = 1\nmax_calls = 10000\nmax_call_duration = "2h"\n'
            f'spool_dir = "{scratch}/spool"\npriority = "{args.priority}"\n[log]\nlevel = "warn"\n'
            f'[service]\nruntime_dir = "{scratch}"\n')
        return [args.build / "bin/calld", "media", "--config", config], {}
    if server == "python":
        return [python_venv(args.work), HERE / "asgi_bridge.py", str(port)], {}
    return ["node", HERE / "node_ws.js", str(port)], {"NODE_PATH": str(node_modules(args.work))}


def find_load(build):
    return next(p for p in (build / "bin/echo_load", build / "tests/bench/media/echo_load") if p.exists())


class Server:
    def __init__(self, name, args):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="echo-"))
        self.port = free_port()
        command, env = command_of(name, self.port, args, self.scratch)
        pinned = ["taskset", "-c", SERVER_CORE, *map(str, command)]
        if args.realtime and name != "calld":  # the baselines get it for all they do
            pinned = ["chrt", "-r", "5", *pinned]
        self.process = subprocess.Popen(pinned, env={**os.environ, **env})
        wait_for(self.port, self.process)
        if args.realtime and name == "calld":
            raise_loops(self.process.pid)

    def load(self, args, *options):
        command = [args.load or find_load(args.build), "--port", self.port, "--pid", self.process.pid, *options]
        pinned = ["taskset", "-c", LOAD_CORE, *map(str, command)]
        done = subprocess.run(["chrt", "-r", "5", *pinned] if args.realtime else pinned, stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        # Not removed before the end: ext4 searches long for an inode after many were given back just now.
        atexit.register(shutil.rmtree, self.scratch, ignore_errors=True)


def held(result):
    return result and result["lost"] == 0 and result["delay_ms"]["p99"] < 10 and result["delay_ms"]["p999"] < 20


def show(name, r):
    if r is None:
        print(f"{name:8} gave up", flush=True)
        return
    d = r["delay_ms"]
    print(f"{name:8} {r['calls']:6} calls  p50 {d['p50']:7.2f}  p99 {d['p99']:7.2f}  p99.9 {d['p999']:7.2f}  max {d['max']:7.2f} ms"
          f"  lost {r['lost']}  server {r['server_cpu'] * 100:4.0f} % of a core, {r['kb_per_call']:.0f} KB a call"
          f"  generator {r['own_cpu'] * 100:3.0f} %, late p99 {r['own_lateness_ms']['p99']:.2f} ms  {'held' if held(r) else '-'}",
          flush=True)


def capacity(name, levels, args):
    best, memory = 0, 0
    for calls in levels:
        with Server(name, args) as server:
            result = server.load(args, "--calls", calls, "--seconds", args.seconds)
        show(name, result)
        if args.soak and result:
            rss = result["server_rss_kb"]
            print(f"resident {rss['full']} KB with all calls up, {rss['after']} KB {args.seconds} s later")
        if held(result):
            best, memory = calls, result["kb_per_call"]
        elif calls > best * 2:
            break
    if best and name == "calld":
        print(f"memory at {best} calls: {memory:.0f} KB a call, {'less' if memory < KB_PER_CALL else 'NOT less'} than {KB_PER_CALL}")
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path.home() / ".cache/calld-bench")
    parser.add_argument("--servers", default="calld,python,node")
    parser.add_argument("--levels", default="50,100,200,300,400,600,800,1000,1200,1400,1600,2000")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--priority", default="auto", choices=["auto", "normal"])
    parser.add_argument("--realtime", action="store_true", help="real-time priority for server and generator, on a busy machine")
    parser.add_argument("--load", type=pathlib.Path, help="another echo_load than the build's")
    parser.add_argument("--short", type=int, metavar="CALLS")
    parser.add_argument("--soak", type=int, metavar="SECONDS")
    args = parser.parse_args()
    args.build = args.build.resolve()
    args.work.mkdir(parents=True, exist_ok=True)
    levels = [int(n) for n in args.levels.split(",")]
    if args.short:
        with Server("calld", args) as server:
            server.load(args, "--short", max(args.short // 10, 100), "--at-once", 50, "--frames", 5)  # everything allocated once
            result = server.load(args, "--short", args.short, "--at-once", 50, "--frames", 5)
        rss = result["server_rss_kb"]
        print(f"{args.short} short calls in {result['seconds']:.0f} s: {result['failed']} failed, "
              f"resident {rss['before']} KB before, {rss['after']} KB after")
        return 1 if result["failed"] else 0
    if args.soak:
        args.seconds = args.soak
        levels = levels[-1:]
        args.servers = "calld"
    best = {name: capacity(name, levels, args) for name in args.servers.split(",")}
    print("calls held on one core: " + ", ".join(f"{name} {calls}" for name, calls in best.items()))
    for name, calls in best.items():
        if name != "calld" and calls and best.get("calld"):
            print(f"calld carries {best['calld'] / calls:.1f} times the calls of {name}")
    return 0 if all(best.values()) else 1


sys.exit(main())
