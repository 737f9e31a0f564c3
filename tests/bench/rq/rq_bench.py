#!/usr/bin/env python3
"""No-op jobs through Python's `rq worker`, its SimpleWorker and `calld worker`, on one Redis in one run.

    python3 tests/bench/rq/rq_bench.py build/release/bin [--rounds 5] [--jobs 20000] [--rq 2.12.0]

Prints a table of medians with ratios: jobs a second from the first start to the last end, CPU time (of the worker's processes,
without its start), round trips and Redis commands a job, and memory of an idle worker. Two latencies of a job that
comes to an idle queue, both to the function's end, which for a no-op is its start: "push" from the moment at which the RPUSH
is on its way to Redis, "claim" from `started_at`, which calld writes when it asks for the job (Python's workers later, so
theirs is not shown). The last line is the ceiling: what this Redis does when RQ's whole command set for a job is sent to it
in one stream, without any worker.

Needs no root and no network once the environment of rq exists; starts a private Redis and, for calld, a private
PostgreSQL (by `calld up`). Compare rounds only on an otherwise idle machine.
"""

import argparse
import datetime
import json
import os
import pathlib
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "interop"))
sys.path.insert(0, str(ROOT / "tests" / "integration"))
sys.dont_write_bytecode = True

QUEUE = "bench"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bin", type=pathlib.Path, help="directory with calld and callctl")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each worker; medians are shown")
    parser.add_argument("--jobs", type=int, default=20000, help="jobs of a calld round; Python's workers get less")
    parser.add_argument("--samples", type=int, default=60, help="latency samples")
    parser.add_argument("--rq", default="2.12.0", help="version of Python's rq")
    parser.add_argument("--environments", type=pathlib.Path, help="where rq is installed (default: below the build)")
    parser.add_argument("--json", type=pathlib.Path, help="write all figures there, too")
    return parser.parse_args()


def enter_environment(options):
    """Starts again as the python that has rq."""
    from environment import python_with_rq
    python = python_with_rq(options.rq, options.environments or options.bin.parent / "interop")
    if pathlib.Path(sys.prefix) != python.parent.parent:
        os.execv(python, [str(python), *sys.argv])


class Wire(threading.Thread):
    """Passes bytes between clients and Redis and counts the turns: a request after an answer is a round trip."""

    def __init__(self, target):
        super().__init__(daemon=True)
        self.target, self.turns = target, 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.target))
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            state = {"answered": True}
            threading.Thread(target=self.carry, args=(client, server, state, True), daemon=True).start()
            threading.Thread(target=self.carry, args=(server, client, state, False), daemon=True).start()

    def carry(self, source, sink, state, is_request):
        try:
            while data := source.recv(1 << 16):
                with self.lock:
                    if is_request and state["answered"]:
                        self.turns += 1
                    state["answered"] = not is_request
                sink.sendall(data)
        except OSError:
            pass
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Bench:
    def __init__(self, options, system):
        import redis
        import rq
        from servers import RedisServer
        self.options, self.system = options, system
        self.server = RedisServer("--save", "", "--appendonly", "no")
        self.redis = redis.Redis(port=self.server.port)
        self.queue = rq.Queue(QUEUE, connection=self.redis)
        self.bin_python = pathlib.Path(sys.executable).parent

    def url(self, port=None):
        return f"redis://127.0.0.1:{port or self.server.port}/0"

    # --- the three workers ---

    def start(self, kind, burst, port=None):
        from harness import free_ports
        if kind.startswith("calld"):
            slots = kind.split("x")[1] if "x" in kind else "1"
            command = [self.options.bin / "calld", "worker", "--queues", QUEUE, "--concurrency", slots]
            env = {**self.system.env, "CALLD_CONFIG": str(self.system.state / "calld.toml"),
                   "CALLD_REDIS_URL": self.url(port), "CALLD_WORKER_LISTEN": f"127.0.0.1:{free_ports(1)[0]}"}
        else:
            command = [self.bin_python / "rq", "worker", QUEUE, "--url", self.url(port), "--quiet"]
            if kind == "SimpleWorker":
                command += ["--worker-class", "rq.worker.SimpleWorker"]
            env = {**os.environ, "PYTHONPATH": str(ROOT / "tests" / "interop")}
        return subprocess.Popen([*map(str, command), *(["--burst"] if burst else [])], env=env,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def enqueue(self, kind, count):
        import rq
        name = "calld.noop" if kind.startswith("calld") else "tasks.noop"
        many = [rq.Queue.prepare_data(name, (1,)) for _ in range(count)]
        for first in range(0, count, 2000):
            with self.redis.pipeline(transaction=False) as pipe:
                self.queue.enqueue_many(many[first:first + 2000], pipeline=pipe)
                pipe.execute()

    def burst(self, kind, count, port=None):
        """The CPU seconds of the worker and all that it started."""
        self.redis.flushall()
        self.enqueue(kind, count)
        before = cpu_of_children()
        if self.start(kind, burst=True, port=port).wait(600) != 0:
            raise SystemExit(f"{kind} failed")
        spent = cpu_of_children() - before
        done = self.redis.zcard(f"rq:finished:{QUEUE}")
        if done != count:
            raise SystemExit(f"{kind}: {done} of {count} jobs finished")
        return spent

    # --- what is measured ---

    def rate(self, kind, count):
        """(jobs a second, CPU seconds)"""
        spent = self.burst(kind, count)
        times = []
        with self.redis.pipeline(transaction=False) as pipe:
            for job_id in self.redis.zrange(f"rq:finished:{QUEUE}", 0, -1):
                pipe.hmget(b"rq:job:" + job_id, "started_at", "ended_at")
            times = pipe.execute()
        start = min(stamp(started) for started, _ in times)
        end = max(stamp(ended) for _, ended in times)
        return count / (end - start), spent

    def traffic(self, kind, few, many):
        """Round trips and Redis commands a job, as the difference of two runs."""
        seen = []
        for count in (few, many):
            wire = Wire(self.server.port)
            self.redis.config_resetstat()
            self.burst(kind, count, wire.port)
            stats = self.redis.info("commandstats")
            own = 1 + count // 2000 * 3
            seen.append((count, wire.turns, sum(entry["calls"] for entry in stats.values()) - own))
        (a, turns_a, calls_a), (b, turns_b, calls_b) = seen
        return (turns_b - turns_a) / (b - a), (calls_b - calls_a) / (b - a)

    def push(self, name):
        """(the job, the time at which it was on its way into its queue): what enqueue() does, its last step apart."""
        job = self.queue.create_job(name, args=(1,))
        job.enqueued_at = datetime.datetime.now(datetime.timezone.utc)
        job.set_status("queued")
        job.save()
        words = encode(["RPUSH", self.queue.key, job.id])
        with socket.create_connection(("127.0.0.1", self.server.port)) as sock:
            pushed = time.time()
            sock.sendall(words)
            sock.recv(64)
        return job, pushed

    def idle(self, kind):
        """(milliseconds from push to end and from claim to end of each sample, resident MB)"""
        self.redis.flushall()
        worker = self.start(kind, burst=False)
        try:
            name = "calld.noop" if kind.startswith("calld") else "tasks.noop"
            self.wait_for_end(self.queue.enqueue(name, 1))
            time.sleep(1)
            from_push, from_claim = [], []
            for _ in range(self.options.samples):
                job, pushed = self.push(name)
                time.sleep(0.02)
                self.wait_for_end(job)
                started, ended = self.redis.hmget(f"rq:job:{job.id}", "started_at", "ended_at")
                from_push.append((stamp(ended) - pushed) * 1000)
                from_claim.append((stamp(ended) - stamp(started)) * 1000)
            status = pathlib.Path(f"/proc/{worker.pid}/status").read_text()
            resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024
        finally:
            worker.terminate()
            worker.wait(30)
        return from_push, from_claim, resident

    def wait_for_end(self, job):
        end = time.monotonic() + 30
        while self.redis.hget(f"rq:job:{job.id}", "status") != b"finished":
            if time.monotonic() > end:
                raise SystemExit("a job never ended")
            time.sleep(0.001)

    def ceiling(self, count=5000):
        """Jobs a second when RQ's commands for a job come in one stream."""
        self.redis.flushall()
        self.enqueue("calld", count)
        ids = [i.decode() for i in self.redis.lrange(f"rq:queue:{QUEUE}", 0, -1)]
        words = [command for job_id in ids for command in whole_life(job_id)]
        stream = b"".join(encode(command) for command in words)
        with socket.create_connection(("127.0.0.1", self.server.port)) as sock:
            begun = time.monotonic()
            sender = threading.Thread(target=sock.sendall, args=(stream + encode(["ECHO", "the end"]),))
            sender.start()
            tail = b""
            while not tail.endswith(b"the end\r\n"):
                tail = tail[-16:] + sock.recv(1 << 20)
            span = time.monotonic() - begun
            sender.join()
        if self.redis.zcard(f"rq:finished:{QUEUE}") != count:
            raise SystemExit("the ceiling's commands did not do the work")
        return count / span

    def close(self):
        self.server.close()


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def stamp(text):
    return datetime.datetime.fromisoformat(text.decode().replace("Z", "+00:00")).timestamp()


def encode(words):
    out = b"*%d\r\n" % len(words)
    for word in words:
        data = str(word).encode()
        out += b"$%d\r\n%s\r\n" % (len(data), data)
    return out


def whole_life(job_id):
    """What RQ 2.x sends for one job that succeeds, without its MULTI and EXEC: 34 commands."""
    now, worker, run = int(time.time()), "rq:worker:w", "0" * 32
    job, member = f"rq:job:{job_id}", f"{job_id}:{run}"
    iso = "2026-01-01T00:00:00.000000Z"
    execution, executions = f"rq:execution:{member}", f"rq:executions:{job_id}"
    return [
        ["LMOVE", f"rq:queue:{QUEUE}", f"rq:queue:{QUEUE}:intermediate", "LEFT", "RIGHT"],
        ["HGETALL", job],
        ["HSET", execution, "id", run, "job_id", job_id, "created_at", now, "last_heartbeat", now, "worker_name", "w"],
        ["EXPIRE", execution, 90], ["ZADD", executions, now + 150, run], ["EXPIRE", executions, 150],
        ["ZADD", f"rq:wip:{QUEUE}", now + 90, member], ["SADD", f"{worker}:executions", member],
        ["EXPIRE", f"{worker}:executions", 150], ["HSET", worker, "state", "busy", "current_job", job_id],
        ["HSET", worker, "last_heartbeat", iso], ["EXPIRE", worker, 90], ["HSET", job, "last_heartbeat", iso],
        ["HSET", job, "last_heartbeat", iso, "status", "started", "started_at", iso, "worker_name", "w"],
        ["PERSIST", job], ["LREM", f"rq:queue:{QUEUE}:intermediate", 1, job_id],
        ["SMEMBERS", f"{job}:dependents"], ["HDEL", worker, "current_job"],
        ["HINCRBY", worker, "successful_job_count", 1], ["HINCRBYFLOAT", worker, "total_working_time", "0.001"],
        ["HSET", job, "status", "finished"], ["HSET", job, "ended_at", iso, "last_heartbeat", iso, "worker_name", "w"],
        ["XADD", f"rq:results:{job_id}", "MAXLEN", "~", 10, "*", "type", 1, "worker_name", "w", "return_value", "gARLAS4="],
        ["EXPIRE", f"rq:results:{job_id}", 500], ["ZADD", f"rq:finished:{QUEUE}", now + 500, job_id],
        ["EXPIRE", job, 500], ["EXPIRE", f"{job}:dependents", 500], ["EXPIRE", f"rq:job::{job_id}:dependencies", 500],
        ["DEL", execution], ["ZREM", f"rq:wip:{QUEUE}", member], ["ZREM", executions, run],
        ["SREM", f"{worker}:executions", member], ["HSET", worker, "state", "idle"],
        ["EXPIRE", worker, 480],
    ]


def table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(row, widths))).rstrip())


def main():
    options = arguments()
    options.bin = options.bin.resolve()
    if not shutil.which("redis-server") or not (options.bin / "calld").exists():
        sys.exit("rq_bench: needs redis-server, and the directory of calld as its argument")
    enter_environment(options)
    from harness import System

    counts = {"rq worker": max(options.jobs // 60, 100), "SimpleWorker": max(options.jobs // 12, 500),
              "calld": options.jobs, "calld x8": options.jobs}
    with System(options.bin, "") as system:
        bench = Bench(options, system)
        try:
            rates = {kind: [] for kind in counts}
            cpu = {kind: [] for kind in counts}
            ceilings = []
            start_up = {kind: statistics.median(bench.burst(kind, 0) for _ in range(3)) for kind in counts}
            for number in range(options.rounds):
                print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
                for kind, count in counts.items():
                    jobs_per_s, spent = bench.rate(kind, count)
                    rates[kind].append(jobs_per_s)
                    cpu[kind].append((spent - start_up[kind]) / count * 1000)
                ceilings.append(bench.ceiling())
            print("traffic, latency, memory", file=sys.stderr)
            figures = {}
            for kind in counts:
                trips, commands = bench.traffic(kind, 100, 300)
                push, claim, resident = bench.idle(kind)
                figures[kind] = {"rates": rates[kind], "jobs_per_s": statistics.median(rates[kind]),
                                 "cpu_ms": statistics.median(cpu[kind]), "round_trips": trips, "commands": commands,
                                 "push_ms": statistics.median(push), "push_p95_ms": sorted(push)[int(len(push) * 0.95)],
                                 "claim_ms": statistics.median(claim), "rss_mb": resident}
        finally:
            bench.close()

    ceiling = statistics.median(ceilings)
    fork, simple = figures["rq worker"]["jobs_per_s"], figures["SimpleWorker"]["jobs_per_s"]
    rows = [["worker", "jobs/s", "(lowest-highest)", "x rq", "x Simple", "CPU ms", "round trips", "commands", "push ms",
             "p95", "claim ms", "RSS MB"]]
    for kind, f in figures.items():
        rows.append([kind, f"{f['jobs_per_s']:.0f}", f"({min(f['rates']):.0f}-{max(f['rates']):.0f})",
                     f"{f['jobs_per_s'] / fork:.1f}", f"{f['jobs_per_s'] / simple:.1f}", f"{f['cpu_ms']:.3f}", f"{f['round_trips']:.2f}",
                     f"{f['commands']:.1f}", f"{f['push_ms']:.2f}", f"{f['push_p95_ms']:.2f}",
                     f"{f['claim_ms']:.2f}" if kind.startswith("calld") else "", f"{f['rss_mb']:.1f}"])
    rows.append(["Redis alone", f"{ceiling:.0f}", f"({min(ceilings):.0f}-{max(ceilings):.0f})", f"{ceiling / fork:.1f}",
                 f"{ceiling / simple:.1f}", "", "", "34.0", "", "", "", ""])
    table(rows)
    best = max(figures["calld"]["jobs_per_s"], figures["calld x8"]["jobs_per_s"])
    print(f"rq {options.rq}; calld reaches {100 * best / ceiling:.0f} % of what Redis alone does")
    if options.json:
        options.json.write_text(json.dumps({"rq": options.rq, "workers": figures, "ceiling": ceilings}, indent=1))


main()
