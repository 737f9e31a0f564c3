"""Garbage of every kind: the job fails with a reason or is left out with a line in the log. The worker never dies,
never executes anything, never loops."""

import os
import pickle
import struct
import tempfile
import zlib

import redis
import rq
from rq.job import Job

from fixture import Suite, status_of, until

FIELDS = ["created_at", "success_callback_name", "failure_callback_name", "stopped_callback_name", "started_at",
          "ended_at", "last_heartbeat", "worker_name", "group_id", "origin", "description", "enqueued_at", "timeout",
          "result_ttl", "failure_ttl", "ttl", "meta", "retries_left", "retry_intervals", "enqueue_at_front_on_retry",
          "number_of_retries", "repeats_left", "repeat_intervals", "dependency_id", "dependency_ids",
          "allow_dependency_failures", "enqueue_at_front", "success_callback_timeout", "failure_callback_timeout",
          "stopped_callback_timeout", "webhooks", "rate_limit_key", "rate_limit_concurrency", "result", "exc_info"]
GARBAGE = [b"", b"\xff\xfe\x00", b"nan", b"inf", b"-1e400", b"9" * 400, b"0x10", b"-", b"[[" * 5000, b"[null]", b"{}",
           b'["a", {}, 1e999]', b"\r\n$9\r\n", b"%s%n%x", b"'; redis.call('FLUSHALL') --", b"x" * 200000]
ENDS = {b"finished", b"failed"}


def hostile_pickles(marker):
    """Name and bytes of pickles that Python would obey, or choke on."""
    command = f"touch {marker}"

    def text(value):
        return b"\x8c" + bytes([len(value)]) + value

    call = lambda module, name, args: b"\x80\x04" + text(module) + text(name) + b"\x93" + args + b"R."
    one = text(command.encode()) + b"\x85"
    yield "system", call(b"os", b"system", one)
    yield "posix", call(b"posix", b"system", one)
    yield "old global", b"cposix\nsystem\n(S'" + command.encode() + b"'\ntR."
    yield "eval", call(b"builtins", b"eval", text(f"__import__('os').system('{command}')".encode()) + b"\x85")
    yield "getattr", call(b"builtins", b"getattr", text(b"os") + text(b"system") + b"\x86")
    yield "popen", call(b"subprocess", b"Popen", text(b"/bin/sh") + b"\x85")
    yield "inst", b"(iposix\nsystem\n."
    yield "obj", b"(cposix\nsystem\no."
    yield "newobj_ex", b"\x80\x04cposix\nsystem\n)}\x92."
    yield "persistent id", b"\x80\x04" + text(b"x") + b"Q."
    yield "extension", b"\x80\x04\x82\x01."
    yield "a build on a class", b"\x80\x04cos\nenviron\n}b."
    yield "as the function", b"\x80\x04(cposix\nsystem\nN)}t."
    yield "as an argument", pickle.dumps("x")[:2] + b"(" + text(b"calld.noop") + b"N(cposix\nsystem\n" + one + b"Rt}t."
    yield "as a key", b"\x80\x04(" + text(b"calld.noop") + b"N)}cposix\nsystem\n" + one + b"RNst."
    yield "deep lists", b"\x80\x04(" + text(b"calld.noop") + b"N(" + b"]" * 100000 + b"a" * 99999 + b"t}t."
    yield "deep tuples", b"\x80\x04(" + text(b"calld.noop") + b"N(N" + b"\x85" * 1000000 + b"t}t."
    yield "a list in itself", b"\x80\x04(" + text(b"calld.noop") + b"N(]\x94h\x00at}t."
    bomb = b"\x80\x04(" + text(b"calld.noop") + b"N(]\x94(" + b"K\x01" * 100 + b"e"
    for level in range(1, 30):
        bomb += b"]\x94(" + (b"h" + bytes([level - 1])) * 20 + b"e"
    yield "laughs", bomb + b"t}t."
    yield "a giant text", b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x."
    yield "a giant integer", b"\x80\x04\x8b" + struct.pack("<I", 2**31 - 1) + b"x."
    yield "a long integer", b"\x80\x04(" + text(b"calld.noop") + b"N(\x8b" + struct.pack("<I", 10**6) + b"\x7f" * 10**6 + b"t}t."
    many = b"\x80\x04]\x94(" + b"N" * 100000 + b"e0"
    copies = text(b"builtins") + text(b"frozenset") + b"\x93\x94h\x00\x85\x94" + b"h\x01h\x02R0" * 100000
    yield "copies", many + copies + b"N."
    yield "marks", b"\x80\x04" + b"(" * 10**6 + b"."
    yield "memo", b"\x80\x04N" + b"\x94" * 10**6 + b"."
    yield "protocol", b"\x80\x7fN."
    yield "frame", b"\x80\x04\x95" + b"\xff" * 8 + b"N."
    yield "nothing", b"."
    yield "more than one", b"\x80\x04NN."
    yield "after the end", pickle.dumps(("calld.noop", None, (), {}), 4) + b"cposix\nsystem\n"
    yield "no tuple", pickle.dumps({"func": "calld.noop"}, 4)
    yield "a function that is no text", pickle.dumps((7, None, (), {}), 4)
    yield "arguments that are none", pickle.dumps(("calld.noop", None, 7, "x"), 4)
    yield "an instance", pickle.dumps(("calld.noop", [1], (2,), {}), 4)


class BadInput(Suite):
    def put(self, job_id, data, **fields):
        """A job whose data is these bytes."""
        self.redis.hset(f"rq:job:{job_id}", mapping={
            "data": data, "status": "queued", "origin": "default", "created_at": "2026-01-01T00:00:00.000000Z", **fields})
        self.redis.rpush("rq:queue:default", job_id)

    def status(self, job_id):
        return self.redis.hget(f"rq:job:{job_id}", "status")

    def all_end(self, worker, ids, seconds=30, ends=ENDS):
        try:
            until(lambda: all(self.status(job_id) in ends for job_id in ids), seconds)
        except AssertionError:
            self.fail({job_id: self.status(job_id) for job_id in ids if self.status(job_id) not in ends})
        self.still_works(worker)

    def still_works(self, worker):
        job = rq.Queue("default", connection=self.redis).enqueue("calld.add", 1, 1)
        self.ends(job, "finished")
        self.assertIsNone(worker.process.poll())
        self.assertEqual(self.redis.zcard("rq:wip:default"), 0)

    def failure(self, job_id):
        return self.cpp("job", job_id)["error"]

    def test_garbage_in_every_field_of_a_job(self):
        good = pickle.dumps(("calld.add", None, (1, 1), {}), 4)
        bad = pickle.dumps(("calld.fail", None, ("x",), {}), 4)
        ids = []
        for field in FIELDS:
            for number, value in enumerate(GARBAGE):
                for data in (good, bad):
                    job_id = f"{field}-{number}-{len(ids)}"
                    self.put(job_id, data, **{field: value})
                    ids.append(job_id)
        worker = self.worker(concurrency=4)
        # A time to live that is a number ends some of them; intervals that are numbers may delay a retry.
        until(lambda: self.redis.llen("rq:queue:default") == 0 and self.redis.zcard("rq:wip:default") == 0, 60)
        left = {job_id: self.status(job_id) for job_id in ids}
        strange = {job_id: status for job_id, status in left.items() if status not in ENDS | {None, b"scheduled"}}
        self.assertEqual(strange, {})
        self.still_works(worker)

    def test_garbage_as_data(self):
        values = [b"", b"\x00", b"x", b"[", b"[]", b"{}", b'["f"]', b'["calld.noop", null, 1, 2]', b'[null, null, [], {}]',
                  b"[" * 100000, b"\x78\x9c", zlib.compress(b""), zlib.compress(b"x"), zlib.compress(b"[" * 1000),
                  zlib.compress(zlib.compress(b"x")), b"\x80", b"\x80\x05", os.urandom(1000),
                  b'["calld.noop", null, ["\xff"], {}]']
        for number, data in enumerate(values):
            self.put(f"data-{number}", data)
        worker = self.worker()
        ids = [f"data-{number}" for number in range(len(values))]
        self.all_end(worker, ids, ends={b"failed"})
        for job_id in ids:
            self.assertIn("rq.exceptions.DeserializationError: ", self.failure(job_id), job_id)

    def test_every_way_to_cut_a_job_short(self):
        whole = pickle.dumps(("calld.noop", None, ([1, 2.5, "x", b"y", {"k": None}],), {"a": (True, 2**70)}), 5)
        for end in range(len(whole)):
            self.put(f"cut-{end}", zlib.compress(whole[:end]))
        worker = self.worker(concurrency=2)
        self.all_end(worker, [f"cut-{end}" for end in range(len(whole))], ends={b"failed"})

    def test_hostile_pickles_run_nothing_and_cost_nothing(self):
        with tempfile.TemporaryDirectory() as directory:
            marker = os.path.join(directory, "executed")
            named = list(hostile_pickles(marker))
            for number, (_, data) in enumerate(named):
                self.put(f"hostile-{number}", zlib.compress(data))
            worker = self.worker(concurrency=2)
            self.all_end(worker, [f"hostile-{n}" for n in range(len(named))], 60, ends={b"failed"})
            self.assertFalse(os.path.exists(marker))
            for number, (name, _) in enumerate(named):
                self.assertRegex(self.failure(f"hostile-{number}"), "DeserializationError|Invalid attribute name: <posix",
                                 name)

    def test_data_that_is_too_large(self):
        self.put("bomb", zlib.compress(b"\0" * 200_000_000, 9))
        self.put("raw", b"[" + b"1," * 10_000_000 + b"1]")
        worker = self.worker()
        self.all_end(worker, ["bomb", "raw"], ends={b"failed"})
        self.assertIn("bytes", self.failure("bomb"))
        self.assertIn("bytes of data, the limit is", self.failure("raw"))
        with open(f"/proc/{worker.process.pid}/status", encoding="ascii") as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        self.assertLess(peak, 400_000)  # KiB

    def test_unknown_functions_fail_with_the_name(self):
        names = ["no.such", "", "exec:/bin/true", "os.system", "calld.add\0", "a" * 100000, "../calld.add", "שלום"]
        for number, name in enumerate(names):
            self.put(f"f-{number}", zlib.compress(pickle.dumps((name, None, (), {}), 4)))
        worker = self.worker()
        ids = [f"f-{number}" for number in range(len(names))]
        self.all_end(worker, ids, ends={b"failed"})
        for job_id, name in zip(ids, names):
            self.assertIn(f"ValueError: Invalid attribute name: {name[:50]}".rstrip("\0"), self.failure(job_id))

    def test_unknown_statuses_fail_with_the_status(self):
        data = zlib.compress(pickle.dumps(("calld.count", None, ("runs",), {}), 4))
        for number, status in enumerate(["levitating", "FINISHED", "\0", "x" * 100000]):
            self.put(f"s-{number}", data, status=status)
        worker = self.worker()
        self.all_end(worker, [f"s-{n}" for n in range(4)], ends={b"failed"})
        self.assertIsNone(self.redis.get("runs"))
        self.assertIn('its status "levitating" is none that this worker knows', self.failure("s-0"))

    def test_ids_without_a_job_are_left_out_with_a_line(self):
        data = zlib.compress(pickle.dumps(("calld.count", None, ("runs",), {}), 4))
        self.redis.rpush("rq:queue:default", "vanished", "", "\r\n", b"\xff\xfe", "x" * 100000)
        self.redis.set("rq:job:text", "no hash")
        self.redis.lpush("rq:job:list", "no hash")
        self.redis.hset("rq:job:empty", "status", "queued")
        self.redis.rpush("rq:queue:default", "text", "list", "empty")
        for status in ("finished", "failed", "stopped", "canceled"):
            self.put(status, data, status=status)
        self.redis.rpush("rq:queue:default", *[f"dead-{n}" for n in range(5000)])
        worker = self.worker()
        until(lambda: self.redis.llen("rq:queue:default") == 0)
        self.still_works(worker)
        self.assertIsNone(self.redis.get("runs"))
        said = worker.said()
        for line in ("left out of its queue: its job is gone", "its key is no hash", "it is finished", "it is failed",
                     "it is stopped", "it is canceled"):
            self.assertIn(line, said)

    def test_keys_of_the_wrong_type_beside_a_job(self):
        data = zlib.compress(pickle.dumps(("calld.add", None, (1, 1), {}), 4))
        bad = zlib.compress(pickle.dumps(("calld.fail", None, ("x",), {}), 4))
        keys = ["rq:job:{}:dependents", "rq:job::{}:dependencies", "rq:results:{}", "rq:executions:{}"]
        ids = []
        for number, key in enumerate(keys):
            for kind, content in (("good", data), ("bad", bad)):
                job_id = f"{kind}-{number}"
                ids.append(job_id)
                self.put(job_id, content, group_id="g", rate_limit_key="k")
                self.redis.set(key.format(job_id), "a text")
        for key in ("rq:group:g", "rq:groups", "rq:rl-keys", "rq:rl:k", "rq:rl:k:allowed", "rq:rl:k:rate_limited"):
            self.redis.set(key, "a text")
        worker = self.worker()
        self.all_end(worker, ids)

    def test_jobs_that_vanish_while_they_run(self):
        worker = self.worker(concurrency=2)
        for remove in (lambda job: self.redis.delete(f"rq:job:{job.id}"), lambda job: job.delete(),
                       lambda job: self.redis.set(f"rq:job:{job.id}", "no hash any more")):
            job = self.queue.enqueue("calld.sleep", 0.5)
            self.starts(job)
            remove(job)
            until(lambda: self.redis.hget("rq:worker:cpp.1", "state") == b"idle"
                  and self.redis.hget("rq:worker:cpp.2", "state") == b"idle", what="both slots being idle")
        self.still_works(worker)
        self.assertIn("it was deleted meanwhile", worker.said())

    def test_dependents_that_are_garbage(self):
        first = self.queue.enqueue("calld.add", 1, 1)
        good = self.queue.enqueue("calld.add", 1, 1, depends_on=first)
        self.redis.set("rq:job:text", "x")
        self.redis.hset("rq:job:half", "status", "deferred")
        self.redis.hset("rq:job:lost", mapping={"status": "deferred", "data": b"x", "origin": "\xff\0:"})
        self.redis.sadd(f"rq:job:{first.id}:dependents", "text", "half", "lost", "nobody", "", first.id)
        worker = self.worker()
        self.ends(good, "finished")
        self.still_works(worker)

    def test_registries_that_are_garbage(self):
        now = "1"
        for name in ("wip", "scheduled", "deferred", "ready", "finished", "failed"):
            self.redis.zadd(f"rq:{name}:default", {"": 1, ":": 1, "x" * 10000: 1, b"\xff": 1, "no:" + "0" * 32: now})
        self.redis.rpush("rq:queue:default:intermediate", "", "nobody", b"\xff")
        self.redis.sadd("rq:workers", "", "rq:worker:", "nonsense")
        worker = self.worker()
        until(lambda: self.redis.zcard("rq:wip:default") == 0 and self.redis.zcard("rq:scheduled:default") == 0
              and self.redis.llen("rq:queue:default:intermediate") == 0)
        self.still_works(worker)

    def test_a_broken_queue_does_not_stop_the_others(self):
        self.redis.set("rq:queue:broken", "a text")
        worker = self.worker("broken,default")
        self.still_works(worker)

    def test_a_job_in_two_queues_runs_once(self):
        job = Job.create("calld.count", ["runs"], connection=self.redis, origin="default")
        self.queue.enqueue_job(job)
        self.redis.rpush("rq:queue:default", job.id)
        self.redis.rpush("rq:queue:other", job.id)
        worker = self.worker("default,other", concurrency=2)
        until(lambda: self.redis.llen("rq:queue:default") + self.redis.llen("rq:queue:other") == 0)
        self.ends(job, "finished")
        self.still_works(worker)
        self.assertEqual(self.redis.get("runs"), b"1")
        self.assertEqual(status_of(job), "finished")

    def test_redis_out_of_memory_loses_nothing(self):
        worker = self.worker()
        job = self.queue.enqueue("calld.sleep", 1)
        self.starts(job)
        self.redis.config_set("maxmemory", 1)
        self.addCleanup(self.redis.config_set, "maxmemory", 0)
        with self.assertRaises(redis.ResponseError):
            self.redis.set("more", 1)
        until(lambda: status_of(job) in ("started", "finished"))
        until(lambda: self.redis.zcard("rq:wip:default") == 0, what="the end being written, memory or not")
        self.redis.config_set("maxmemory", 0)
        self.ends(job, "finished")
        self.still_works(worker)
