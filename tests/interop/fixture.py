"""Workers of both languages, and the base class of the suite's tests."""

import json
import os
import signal
import subprocess
import tempfile
import unittest

import redis
import rq

from servers import RedisServer, until

WORKER = os.environ["INTEROP_WORKER"]


def status_of(job):
    """The job's status as text in every rq version."""
    status = job.get_status()
    return getattr(status, "value", status)


class CppWorker:
    """The worker under test; options as interop_worker takes them."""

    def __init__(self, url, queues="default", **options):
        words = [f"{name}={value}" for name, value in options.items()]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([WORKER, "work", url, queues, *words],
                                        stdout=subprocess.DEVNULL, stderr=self.log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.log.close()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def wait(self, seconds=15):
        return self.process.wait(seconds)

    def said(self):
        self.log.seek(0)
        return self.log.read().decode()


class Suite(unittest.TestCase):
    server = None

    @classmethod
    def setUpClass(cls):
        cls.server = RedisServer()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def setUp(self):
        self.redis = redis.Redis(port=self.server.port)
        self.addCleanup(self.redis.close)
        self.redis.flushall()
        self.queue = rq.Queue("default", connection=self.redis)

    def worker(self, queues="default", through=None, **options):
        """A running worker that has registered itself; it reaches Redis through a proxy if given."""
        options.setdefault("name", "cpp")
        worker = CppWorker((through or self.server).url, queues, **options)
        self.addCleanup(worker.__exit__)
        slots = int(options.get("concurrency", 1))
        names = [options["name"]] if slots == 1 else [f"{options['name']}.{i + 1}" for i in range(slots)]

        def ready():
            if worker.process.poll() is not None:
                raise AssertionError(f"the worker ended: {worker.said()}")
            return all(self.redis.hget(f"rq:worker:{name}", "pid") == str(worker.process.pid).encode()
                       and self.redis.pubsub_numsub(f"rq:pubsub:{name}")[0][1] == 1 for name in names)
        until(ready, what="the worker being registered and listening")
        return worker

    def cpp(self, verb, *words, **options):
        """The JSON that interop_worker prints."""
        command = [WORKER, verb, self.server.url, *map(str, words),
                   *(f"{name}={value}" for name, value in options.items())]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def cpp_fails(self, verb, *words):
        """What interop_worker says when it refuses."""
        done = subprocess.run([WORKER, verb, self.server.url, *map(str, words)], capture_output=True, text=True,
                              timeout=20)
        self.assertEqual(done.returncode, 1, done.stdout)
        return done.stderr

    def rq_command(self, *words):
        """What the `rq` program prints."""
        done = subprocess.run(["rq", *words, "--url", self.server.url], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def python_works(self, *queues):
        """A Python worker, until the queues are empty."""
        self.rq_command("worker", "--burst", *(queues or ["default"]))

    def ends(self, job, status, seconds=15):
        """Waits for the job's end, which must be this one."""
        ends = {"finished", "failed", "stopped", "canceled"}
        until(lambda: status_of(job) in ends, seconds, f"the end of {job.id}, now {status_of(job)},")
        self.assertEqual(status_of(job), status)

    def starts(self, job):
        until(lambda: status_of(job) == "started", what=f"the start of {job.id}")

    def failure_text(self, job):
        return job.latest_result().exc_string

    def left_over_keys(self):
        """Keys that belong to a job, without those of queues and workers as such."""
        return [key for key in self.redis.keys("rq:*")
                if key.startswith((b"rq:job:", b"rq:results:", b"rq:execution", b"rq:wip:"))]
