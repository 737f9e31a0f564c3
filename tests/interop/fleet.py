"""Workers of several versions on one Redis: each way in which they could harm one another's jobs.

The pairs of facts are numbered T1 to T10: what one version writes and another misreads.
"""

import json
import os
import random
import re
import subprocess
import time

import rq
from rq.job import Dependency, Job, JobStatus, Retry
from rq.registry import DeferredJobRegistry, FailedJobRegistry, StartedJobRegistry
from rq.worker import Worker

from fixture import Suite, status_of, until

VERSION = tuple(int(part) for part in rq.VERSION.split(".")[:2])


class Fleet(Suite):
    def python_worker(self, *queues, with_scheduler=False):
        """A Python worker in the background."""
        words = ["rq", "worker", "--url", self.server.url, "--name", "python", *queues]
        if with_scheduler:
            words.insert(2, "--with-scheduler")
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def end():
            if process.poll() is None:
                process.kill()
            process.wait()
        self.addCleanup(end)
        until(lambda: self.redis.exists("rq:worker:python"), what="the Python worker being registered")
        return process

    def pretend_worker(self, version):
        """A record as a worker of that version leaves it."""
        self.redis.hset("rq:worker:peer", mapping={
            "birth": "2026-01-01T00:00:00.000000Z", "last_heartbeat": "2026-01-01T00:00:00.000000Z", "pid": "1",
            "hostname": "h", "ip_address": "127.0.0.1:1", "version": version, "python_version": "3.11", "queues": "x"})
        self.redis.sadd("rq:workers", "rq:worker:peer")

    def field(self, job_id, name):
        return self.redis.hget(f"rq:job:{job_id}", name)


class Traps(Fleet):
    def test_T1_pythons_clean_up_finds_a_job_of_a_dead_worker_of_ours(self):
        self.python_worker("elsewhere")
        victim = self.worker(name="victim")
        job = self.queue.enqueue("calld.sleep", 60)
        self.starts(job)
        [member] = self.redis.zrange("rq:wip:default", 0, -1)
        self.assertEqual(b":" in member, VERSION >= (2, 0))
        victim.kill()
        self.redis.zadd("rq:wip:default", {member: 1})  # its lease is over
        StartedJobRegistry(queue=self.queue).cleanup()
        self.assertEqual(status_of(job), "failed")
        self.assertIn(job.id, FailedJobRegistry(queue=self.queue).get_job_ids())

    def test_T1_we_find_a_job_of_a_dead_python_worker(self):
        python = self.python_worker("default")
        job = self.queue.enqueue("tasks.sleep", 60)
        self.starts(job)
        python.kill()
        self.redis.zadd("rq:wip:default", {member: 1 for member in self.redis.zrange("rq:wip:default", 0, -1)})
        self.worker()
        self.ends(job, "failed")
        self.assertIn("AbandonedJobError", self.failure_text(job))

    def test_T2_a_deferred_job_is_not_taken_for_an_expired_one(self):
        first = self.queue.enqueue("calld.add", 1, 1)
        waits = self.cpp("enqueue", "default", "calld.add", "[1,1]", depends=first.id)
        registry = DeferredJobRegistry(queue=self.queue)
        registry.cleanup()
        self.assertEqual((registry.count, registry.get_job_ids()), (1, [waits["id"]]))
        self.assertEqual(self.redis.zscore("rq:deferred:default", waits["id"]), float("inf"))
        mortal = self.cpp("enqueue", "default", "calld.add", "[1,1]", depends=first.id, ttl=1000)
        self.assertAlmostEqual(self.redis.zscore("rq:deferred:default", mortal["id"]), time.time() + 1000, delta=30)
        self.assertTrue(0 < self.redis.ttl(f"rq:job:{mortal['id']}") <= 1000)

    def test_T3_we_write_no_status_that_a_peer_cannot_read(self):
        known = {status.value for status in JobStatus}
        first = self.queue.enqueue("calld.add", 1, 1)
        second = self.queue.enqueue("calld.add", 1, 1, depends_on=first)
        failing = self.queue.enqueue("calld.fail", "x", retry=Retry(max=1, interval=1))
        with self.redis.monitor() as monitor:
            self.worker()
            self.ends(second, "finished")
            self.ends(failing, "failed")
            self.redis.echo("enough")
            written = set()
            for command in monitor.listen():
                text = command["command"]
                if text.startswith("ECHO"):
                    break
                if text.upper().startswith("HSET RQ:JOB:"):
                    written.update(re.findall(r" status (\w+)", text))
        self.assertTrue(written >= {"started", "finished", "queued", "scheduled", "failed"}, written)
        self.assertEqual(written - known, set())

    def test_T3_statuses_of_newer_versions_are_understood(self):
        for number, status in enumerate(["ready_to_enqueue", "rate_limited", "created"]):
            job = self.queue.enqueue("calld.count", "runs", job_id=f"job-{number}")
            self.redis.hset(f"rq:job:{job.id}", "status", status)
        self.worker()
        until(lambda: self.redis.get("runs") == b"3", what="all three running")

    def test_T4_odd_ids_run_and_are_never_made(self):
        ids = ["a:b", "sp ace", "שלום", "x" * 2000, "a" * 8 + ":" + "0" * 32, "new\nline", "*", "%s%n"]
        for job_id in ids:
            job = Job.create("calld.count", ["runs"], connection=self.redis, origin="default")
            fields = {k: v for k, v in job.to_dict().items() if v is not None}
            self.redis.hset(f"rq:job:{job_id}", mapping={**fields, "status": "queued"})
            self.redis.rpush("rq:queue:default", job_id)
        worker = self.worker()
        until(lambda: self.redis.get("runs") == str(len(ids)).encode(), what="each of them having run")
        until(lambda: {self.redis.hget(f"rq:job:{job_id}", "status") for job_id in ids} == {b"finished"})
        self.assertEqual(self.redis.zcard("rq:wip:default"), 0)
        self.assertIsNone(worker.process.poll())
        for job_id in ["a:b", "sp ace", "שלום"]:
            self.assertIn("(invalid_argument)", self.cpp_fails("enqueue", "default", "f", "[]", f"id={job_id}"))

    def test_T4_a_job_named_like_an_entry_is_found_when_abandoned(self):
        job_id = "a" * 8 + ":" + "0" * 32
        self.redis.hset(f"rq:job:{job_id}", mapping={"data": b"x", "status": "started", "origin": "default"})
        self.redis.zadd("rq:wip:default", {job_id: 1})
        self.worker()
        until(lambda: self.field(job_id, "status") == b"failed", what="it being found")

    def test_T5_results_have_types_that_all_peers_read(self):
        for version, types in (("1.13.0", {b"1"}), ("2.3.0", {b"4", b"1"}), ("2.12.0", {b"4", b"1"})):
            self.redis.flushall()
            self.pretend_worker(version)
            self.redis.expire("rq:worker:peer", 600)
            worker = self.worker(name=f"beside-{version}")
            job = self.queue.enqueue("calld.ask_again", "runs", 2, 5)
            self.ends(job, "finished")
            entries = self.redis.xrange(f"rq:results:{job.id}")
            self.assertEqual({entry[b"type"] for _, entry in entries}, types, version)
            worker.kill()
        self.redis.flushall()
        self.pretend_worker("2.12.0")
        self.worker(name="last")
        job = self.queue.enqueue("calld.ask_again", "runs", 9, 1)
        until(lambda: self.field(job.id, "status") == b"failed")
        self.assertEqual(self.redis.xrevrange(f"rq:results:{job.id}", count=1)[0][1][b"type"], b"5")

    def test_T6_the_schedulers_lock_is_read_by_every_version(self):
        worker = self.worker()
        lock = until(lambda: self.redis.get("rq:scheduler-lock:default"), what="the lock")
        self.assertTrue(lock.isdigit())
        record = self.redis.hgetall(b"rq:scheduler:" + lock)
        self.assertEqual(record[b"pid"], str(worker.process.pid).encode())
        self.assertTrue(0 < self.redis.ttl("rq:scheduler-lock:default") <= 61)
        pid = self.queue.scheduler_pid
        self.assertEqual(pid, worker.process.pid if VERSION >= (2, 10) else int(lock))
        worker.terminate()
        worker.wait()
        self.assertFalse(self.redis.exists("rq:scheduler-lock:default"))

    def test_T6_another_schedulers_lock_is_respected_until_it_is_over(self):
        self.redis.set("rq:scheduler-lock:default", "12345", ex=3)
        job = self.cpp("enqueue", "default", "calld.add", "[1,1]", **{"in": 1})
        self.worker()
        until(lambda: self.redis.pttl("rq:scheduler-lock:default") < 500, what="the lock's end being near")
        self.assertEqual(self.redis.get("rq:scheduler-lock:default"), b"12345")
        self.assertEqual(self.field(job["id"], "status"), b"scheduled")
        self.ends(Job.fetch(job["id"], connection=self.redis), "finished")

    def test_T6_a_python_scheduler_and_ours_enqueue_each_job_once(self):
        self.python_worker("elsewhere", "default-not-worked", with_scheduler=True)
        self.worker("default", name="a")
        self.worker("default", name="b")
        jobs = [self.cpp("enqueue", "default", "calld.count", f'["runs:{n}"]', **{"in": 1}) for n in range(30)]
        for made in jobs:
            self.ends(Job.fetch(made["id"], connection=self.redis), "finished")
        self.assertEqual([self.redis.get(f"runs:{n}") for n in range(30)], [b"1"] * 30)

    def test_T7_the_current_job_is_shown_in_both_ways(self):
        self.worker()
        job = self.queue.enqueue("calld.sleep", 60)
        self.starts(job)
        self.assertEqual(self.redis.hget("rq:worker:cpp", "current_job"), job.id.encode())
        [run] = self.redis.smembers("rq:worker:cpp:executions")
        self.assertTrue(run.startswith(job.id.encode() + b":"))
        [seen] = Worker.all(connection=self.redis)
        self.assertEqual(seen.get_current_job_id(), job.id)
        self.assertEqual(seen.get_current_job().id, job.id)

    def test_T8_rate_slots_and_groups_are_put_right_whoever_ended_the_job(self):
        held = self.queue.enqueue("calld.add", 1, 1, job_id="held")
        waiting = self.queue.enqueue("calld.add", 2, 2, job_id="waiting")
        self.redis.lrem("rq:queue:default", 1, waiting.id)
        for job, status in ((held, "queued"), (waiting, "rate_limited")):
            self.redis.hset(f"rq:job:{job.id}", mapping={"rate_limit_key": "k", "rate_limit_concurrency": "1",
                                                         "status": status})
        self.redis.sadd("rq:rl-keys", "k")
        self.redis.hset("rq:rl:k", "concurrency", "1")
        self.redis.zadd("rq:rl:k:allowed", {"held": 1, "ended-in-an-old-worker": 1})
        self.redis.zadd("rq:rl:k:rate_limited", {"waiting": 2})
        self.redis.sadd("rq:groups", "g")
        self.redis.sadd("rq:group:g", "long-gone")
        self.worker()
        until(lambda: self.field("waiting", "status") == b"finished", what="the next one running")
        until(lambda: not self.redis.exists("rq:rl:k:allowed", "rq:group:g", "rq:groups"), what="no slot or group left")

    def test_T9_the_lock_that_rq_1_leaves_behind_delays_nothing(self):
        self.redis.set("rq:clean_registries:default", 1, ex=899)
        victim = self.worker(name="victim")
        job = self.queue.enqueue("calld.sleep", 60)
        self.starts(job)
        victim.kill()
        self.worker(name="finder")
        self.ends(job, "failed")
        self.assertTrue(self.redis.exists("rq:clean_registries:default"))

    def test_T10_a_worker_has_every_field_that_readers_expect(self):
        self.worker()
        record = self.redis.hgetall("rq:worker:cpp")
        for name in (b"birth", b"last_heartbeat", b"queues", b"pid", b"hostname", b"ip_address", b"version",
                     b"python_version"):
            self.assertTrue(record.get(name), name)
        [seen] = Worker.all(connection=self.redis)
        self.assertEqual((seen.hostname is not None, seen.pid), (True, int(record[b"pid"])))


class Graphs(Fleet):
    def test_random_graphs_of_dependencies_shared_with_python(self):
        """Half of the jobs are Python's; what each must come to is known beforehand."""
        seed = int(os.environ.get("INTEROP_SEED", random.randrange(10**6)))
        dice = random.Random(seed)
        with self.subTest(seed=seed):
            python = rq.Queue("python", connection=self.redis)
            jobs, expected = [], []
            for number in range(60):
                parents = dice.sample(range(number), min(number, dice.choice([0, 0, 1, 1, 2, 3])))
                allow, fails, native = dice.random() < 0.4, dice.random() < 0.2, dice.random() < 0.5
                function = ("calld." if native else "tasks.") + ("fail" if fails else "add")
                args = ["x"] if fails else [number, number]
                queue = self.queue if native else python
                depends = Dependency([jobs[p] for p in parents], allow_failure=allow) if parents else None
                jobs.append(queue.enqueue(function, *args, depends_on=depends))
                met = {"finished", "failed"} if allow else {"finished"}
                runs = all(expected[p] in met for p in parents)
                expected.append("deferred" if not runs else "failed" if fails else "finished")
            self.python_worker("python")
            self.worker("default", concurrency=2)

            def settled():
                return all(status_of(job) == end for job, end in zip(jobs, expected))
            try:
                until(settled, 60)
            except AssertionError:
                wrong = [(n, status_of(job), end) for n, (job, end) in enumerate(zip(jobs, expected))
                         if status_of(job) != end]
                self.fail(f"seed {seed}: (job, is, should be) {wrong}")
            # Only our queue: RQ's worker forgets its execution before the transaction that takes it out of the
            # registry, and when that is tried again, since a dependent changed meanwhile, the entry stays. A maintenance
            # run takes it out later.
            self.assertEqual(self.redis.zrange("rq:wip:default", 0, -1), [])
            for job, end in zip(jobs, expected):
                if end == "finished":
                    self.assertEqual(self.redis.xlen(f"rq:results:{job.id}"), 1)


class Foreign(Fleet):
    def test_fields_of_other_versions_stay_as_they_are(self):
        job = self.queue.enqueue("calld.add", 1, 1)
        self.redis.hset(f"rq:job:{job.id}", mapping={"some_future_field": "kept", "meta": b"\x80\x04}."})
        self.worker()
        self.ends(job, "finished")
        self.assertEqual(self.field(job.id, "some_future_field"), b"kept")
        self.assertEqual(self.field(job.id, "meta"), b"\x80\x04}.")
        self.assertEqual(json.loads(self.cpp("job", job.id)["result"]), 2)
