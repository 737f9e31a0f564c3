"""Nothing is lost and nothing runs twice: what has made RQ's users suffer, item by item, as tests.

The numbers are those of docs/rq.md, which names the reports behind them. Each test does something bad to a worker, to
Redis or to the network between them, and then says where every job must be: it has ended exactly once, as
finished or as failed with the true reason, or it is back in its queue.
"""

import concurrent.futures
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time
import unittest

import redis
import rq
from rq.command import send_stop_job_command
from rq.job import Dependency, Job, Retry
from rq.registry import StartedJobRegistry
from rq.worker import Worker

from fixture import CppWorker, Suite, status_of
from proxy import Proxy
from servers import RedisServer, until

JOBS = int(os.environ.get("INTEROP_JOBS", "2000"))  # of the exactly-once test; 10000 is its full size
ABANDONED = "AbandonedJobError"

# The steps of a job's life, as traps that stop the slot's connection there.
STEPS = ("claim asked", "claim answered", "running", "end told", "end confirmed")


def kill_group(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def lives(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def is_script(words):
    return words[0].upper() in (b"EVALSHA", b"EVAL")


def set_trap(proxy, step, connection, job_id):
    job = job_id.encode()
    if step == "claim asked":
        return proxy.before(lambda words: is_script(words) and job not in words, connection)
    if step == "claim answered":
        return proxy.reply(lambda data: job in data, connection)
    if step == "end told":
        return proxy.before(lambda words: is_script(words) and job in words, connection)
    if step == "end confirmed":
        return proxy.after(lambda words: is_script(words) and job in words, connection)
    return None


class NoLoss(Suite):
    """Where jobs are, and scenes in which one job is caught at one step."""

    def places(self, job_id, queue):
        """Every list and registry of the queue that names the job."""
        found = []
        for key in (f"rq:queue:{queue}", f"rq:queue:{queue}:intermediate"):
            found += [key.split(":", 1)[1] for member in self.redis.lrange(key, 0, -1) if member.decode() == job_id]
        for registry in ("wip", "finished", "failed", "deferred", "scheduled", "canceled"):
            members = self.redis.zrange(f"rq:{registry}:{queue}", 0, -1)
            found += [registry for member in members if member.decode().split(":")[0] == job_id]
        return found

    def assert_one_end(self, job, status, runs=None):
        """The job has ended once: one place, one result, nothing left of its runs."""
        self.assertEqual((status_of(job), self.places(job.id, job.origin)), (status, [status]))
        self.assertEqual(self.redis.xlen(f"rq:results:{job.id}"), 1)
        self.assertEqual(self.redis.keys(f"rq:execution:{job.id}:*"), [])
        if runs is not None:
            self.assertEqual(int(self.redis.get(f"runs:{job.id}") or 0), runs)

    def enqueue(self, job_id, queue="default", seconds=0, **options):
        """A job that counts its runs, then sleeps."""
        return rq.Queue(queue, connection=self.redis).enqueue(
            "calld.count_and_sleep", f"runs:{job_id}", seconds, job_id=job_id, **options)

    def runs(self, job, times):
        """Waits until the job's function has begun so often."""
        until(lambda: int(self.redis.get(f"runs:{job.id}") or 0) == times, what=f"run {times} of {job.id}")

    def proxy(self):
        proxy = Proxy(self.server.port)
        self.addCleanup(proxy.close)
        return proxy

    def burst(self, *queues):
        """A worker directly at Redis, until the queues are empty."""
        worker = CppWorker(self.server.url, ",".join(queues), name="burst", burst=1)
        self.addCleanup(worker.__exit__)
        self.assertEqual(worker.wait(30), 0)

    def no_ghost(self, *names):
        """The workers are registered, idle and without a job."""
        def idle():
            return all(self.redis.hget(f"rq:worker:{name}", "state") == b"idle"
                       and not self.redis.hexists(f"rq:worker:{name}", "current_job")
                       and self.redis.sismember("rq:workers", f"rq:worker:{name}") for name in names)
        until(idle, what=f"{names} being idle")

    def scene(self, name, step, seconds=0.0, two_queues=False, retries=0, **options):
        """(job, worker, proxy, trap): a worker of its own, behind a proxy of its own, caught with one job at one step."""
        name = f"{name}-{step.replace(' ', '-')}"
        proxy = self.proxy()
        queue = f"{name}-second" if two_queues else name
        queues = f"{name}-first,{queue}" if two_queues else queue
        worker = self.worker(queues, through=proxy, name=name, counter=self.server.url, **options)
        job_id = f"job-{name}"
        trap = set_trap(proxy, step, f"calld-{name}", job_id)
        job = self.enqueue(job_id, queue, seconds, retry=Retry(max=retries) if retries else None)
        if trap:
            trap.wait()
        else:
            self.runs(job, 1)
        return job, worker, proxy, trap

    def at_every_step(self, act):
        """act(step) for all steps at the same time; the results by step."""
        with concurrent.futures.ThreadPoolExecutor(len(STEPS)) as pool:
            futures = {step: pool.submit(act, step) for step in STEPS}
            return {step: future.result() for step, future in futures.items()}


class Killed(NoLoss):
    def test_01_sigterm_at_every_step(self):
        def act(step):
            job, worker, _, trap = self.scene("term", step, seconds=0.3)
            worker.terminate()
            time.sleep(0.3)
            if trap:
                trap.release()
            self.assertEqual(worker.wait(), 0, worker.said())
            self.assertIn(self.places(job.id, job.origin), (["finished"], [f"queue:{job.origin}"]))
            return job
        jobs = self.at_every_step(act)
        self.burst(*(job.origin for job in jobs.values()))
        for job in jobs.values():
            self.assert_one_end(job, "finished", runs=1)

    def test_01_a_second_sigterm_is_as_bad_as_a_kill(self):
        job, worker, _, _ = self.scene("twice", "running", seconds=60, retries=1, drain=60000)
        worker.terminate()
        until(lambda: "draining" in worker.said())
        worker.terminate()
        self.assertEqual(worker.wait(5), -signal.SIGTERM)
        self.worker("twice-running", name="finder")
        self.runs(job, 2)

    def test_02_sigkill_at_every_step_with_two_queues(self):
        def act(step):
            job, worker, _, trap = self.scene("kill", step, seconds=0.3, two_queues=True)
            worker.kill()
            if trap:
                trap.release(deliver=False)
            return job
        jobs = self.at_every_step(act)
        self.worker(",".join(job.origin for job in jobs.values()), name="finder")
        ends = {"claim asked": ("finished", 1), "claim answered": ("failed", 0), "running": ("failed", 1),
                "end told": ("failed", 1), "end confirmed": ("finished", 1)}
        for step, (status, runs) in ends.items():
            with self.subTest(step):
                self.ends(jobs[step], status)
                self.assert_one_end(jobs[step], status, runs)
                if status == "failed":
                    self.assertIn(ABANDONED, self.failure_text(jobs[step]))

    def test_03_sigkill_at_every_step_with_retries(self):
        def act(step):
            job, worker, _, trap = self.scene("again", step, seconds=0.3, retries=3)
            worker.kill()
            if trap:
                trap.release(deliver=False)
            return job
        jobs = self.at_every_step(act)
        self.worker(",".join(job.origin for job in jobs.values()), name="finder")
        runs = {"claim asked": 1, "claim answered": 1, "running": 2, "end told": 2, "end confirmed": 1}
        for step, job in jobs.items():
            with self.subTest(step):
                self.ends(job, "finished")
                self.assert_one_end(job, "finished", runs[step])

    def test_04_a_dead_worker_does_not_stay_busy(self):
        job, worker, _, _ = self.scene("ghost", "running", seconds=60, ttl=4)
        self.assertEqual(self.redis.hget("rq:worker:ghost-running", "state"), b"busy")
        self.assertTrue(0 < self.redis.ttl("rq:worker:ghost-running") <= 4)
        worker.kill()
        self.worker("ghost-running", name="finder")
        until(lambda: not self.redis.sismember("rq:workers", "rq:worker:ghost-running"), what="the ghost being gone")
        self.ends(job, "failed")
        self.assertEqual([w.name for w in Worker.all(connection=self.redis)], ["finder"])
        self.no_ghost("finder")

    def test_08_sigstop_beyond_the_lease_at_every_step(self):
        def act(step):
            job, worker, _, trap = self.scene("pause", step, seconds=0.3, retries=1)
            worker.pause()
            if trap and step == "claim asked":
                trap.release()  # its answer waits in the socket for a worker that sleeps
            return job, worker, trap
        scenes = self.at_every_step(act)
        finder = self.worker(",".join(job.origin for job, _, _ in scenes.values()), name="finder")
        for job, _, _ in scenes.values():
            self.ends(job, "finished")
        finder.terminate()
        self.assertEqual(finder.wait(), 0)
        for _, worker, trap in scenes.values():
            worker.go_on()
            if trap:
                trap.release()
        self.no_ghost(*(f"pause-{step.replace(' ', '-')}" for step in STEPS))
        # Declared dead before it had begun: it must not begin any more.
        runs = {"claim asked": 1, "claim answered": 1, "running": 2, "end told": 2, "end confirmed": 1}
        for step, (job, worker, _) in scenes.items():
            with self.subTest(step):
                self.assert_one_end(job, "finished", runs[step])
                self.assertIsNone(worker.process.poll())

    def test_08_a_run_that_others_have_taken_over_is_told_to_stop(self):
        job, worker, _, _ = self.scene("stale", "running", seconds=60, retries=1)
        worker.pause()
        self.worker("stale-running", name="finder")
        self.runs(job, 2)
        worker.go_on()
        self.no_ghost("stale-running")  # its function was asked to stop, long before its minute was over
        self.assertEqual((status_of(job), len(self.places(job.id, "stale-running"))), ("started", 1))
        send_stop_job_command(self.redis, job.id)
        self.ends(job, "stopped")

    def test_12_a_dead_workers_job_is_found_within_30_seconds(self):
        victim = self.worker(name="victim", defaults=1)
        self.worker(name="finder", defaults=1, concurrency=2)
        jobs = [self.enqueue(f"long-{n}", seconds=600, job_timeout=3600) for n in range(3)]
        for job in jobs:
            self.starts(job)
        lost = next(job for job in jobs if self.redis.hget(f"rq:job:{job.id}", "worker_name") == b"victim")
        victim.kill()
        died = time.time()
        self.ends(lost, "failed", 45)
        ended = float(self.redis.xrevrange(f"rq:results:{lost.id}", count=1)[0][0].split(b"-")[0]) / 1000
        self.assertLessEqual(ended - died, 30)
        self.assertEqual(sorted(status_of(job) for job in jobs), ["failed", "started", "started"])

    def test_13_a_job_killed_by_a_signal(self):
        """Out of memory, a crash: only that job ends, and says by which signal."""
        with tempfile.TemporaryDirectory() as directory:
            program = pathlib.Path(directory, "program")
            program.write_text('#!/bin/sh\necho "began $CALLD_ARG_1" >&2\necho $$ >"$CALLD_ARG_2"\n'
                               '[ "$CALLD_ARG_1" = wait ] && exec sleep 60\nkill -"$CALLD_ARG_1" $$\n')
            program.chmod(0o755)
            pid_file = pathlib.Path(directory, "pid")
            worker = self.worker(concurrency=2, exec=program)
            beside = self.enqueue("beside", seconds=2)
            self.starts(beside)
            for name, number in (("SEGV", 11), ("ABRT", 6), ("KILL", 9), ("TERM", 15)):
                job = self.queue.enqueue("tasks.program", name, str(pid_file))
                self.ends(job, "failed")
                self.assertEqual(self.failure_text(job).strip().splitlines()[-2:], [
                    f"began {name}", f"calld.io: {program} was killed by signal {number} (SIG{name})"])
                self.assert_one_end(job, "failed")

            # As the kernel does when memory runs out; with a retry the job runs again.
            pid_file.unlink()  # of the last program, which is gone
            job = self.queue.enqueue("tasks.program", "wait", str(pid_file), retry=Retry(max=1))
            for left in (1, 0):
                until(lambda: status_of(job) == "started" and int(self.redis.hget(f"rq:job:{job.id}", "retries_left")) == left
                      and pid_file.exists() and pid_file.read_text().strip(), what="the program running")
                os.kill(int(pid_file.read_text()), signal.SIGKILL)
                pid_file.unlink()
            self.ends(job, "failed")
            self.assertIn("was killed by signal 9 (SIGKILL)", self.failure_text(job))
            self.ends(beside, "finished")
            self.assert_one_end(beside, "finished", runs=1)
            self.assertIsNone(worker.process.poll())

    def test_13_what_a_program_started_dies_with_its_worker(self):
        """Sessions of their own and orphans, too: nobody works beside the next run of the job."""
        with tempfile.TemporaryDirectory() as directory:
            program = pathlib.Path(directory, "program")
            program.write_text(f'#!/bin/sh\ncd {directory}\nsetsid sleep 600 & echo $! >session\n'
                               '(setsid sh -c "echo \\$\\$ >orphan; exec sleep 600" &)\necho $$ >itself\nwait\n')
            program.chmod(0o755)
            worker = self.worker(exec=program)
            self.queue.enqueue("tasks.program")
            files = [pathlib.Path(directory, name) for name in ("session", "orphan", "itself")]
            until(lambda: all(file.exists() and file.read_text().strip() for file in files), what="all of them running")
            pids = [int(file.read_text()) for file in files]
            self.assertTrue(all(lives(pid) for pid in pids))
            worker.kill()
            until(lambda: not any(lives(pid) for pid in pids), what="all of them being gone")

    def test_18_the_same_name_at_once_after_a_kill(self):
        job, worker, _, _ = self.scene("same", "running", seconds=60, retries=1)
        worker.kill()
        self.worker("same-running", name="same-running")  # nobody says "There exists an active worker"
        self.runs(job, 2)
        self.assertEqual(self.places(job.id, "same-running"), ["wip"])

    def test_20_no_time_limit(self):
        worker = self.worker(name="victim")
        job = self.enqueue("endless", seconds=600, job_timeout=-1)
        self.runs(job, 1)
        worker.kill()
        self.worker(name="finder")
        self.ends(job, "failed")
        self.assert_one_end(job, "failed", runs=1)
        self.assertIn(ABANDONED, self.failure_text(job))


class ManyWorkers(NoLoss):
    def test_08_eight_workers_run_each_job_once(self):
        names = ("first", "second", "third")
        with self.redis.pipeline(transaction=False) as pipe:
            for n in range(JOBS):
                queue = rq.Queue(names[n % 3], connection=self.redis)
                queue.enqueue("calld.count_and_sleep", f"runs:{n}", 0, job_id=f"job-{n}", result_ttl=-1, pipeline=pipe)
            pipe.execute()
        orders = [",".join(random.sample(names, 3)) for _ in range(8)]
        for number, queues in enumerate(orders):
            self.worker(queues, name=f"w{number}", concurrency=1 + number % 2)
        until(lambda: sum(self.redis.zcard(f"rq:finished:{name}") for name in names) == JOBS, 120, "the end of all")
        self.assertEqual({int(n) for n in self.redis.mget([f"runs:{n}" for n in range(JOBS)])}, {1})
        for name in names:
            self.assertEqual((self.redis.llen(f"rq:queue:{name}"), self.redis.zcard(f"rq:wip:{name}"),
                              self.redis.zcard(f"rq:failed:{name}")), (0, 0, 0))
        until(lambda: sum(w.successful_job_count for w in Worker.all(connection=self.redis)) == JOBS)

    def test_17_no_process_for_each_job(self):
        worker = self.worker()
        self.runs(self.enqueue("here", seconds=60), 1)
        tasks = pathlib.Path(f"/proc/{worker.process.pid}/task")
        self.assertEqual([(task / "children").read_text() for task in tasks.iterdir()], [""] * len(list(tasks.iterdir())))

    def test_07_four_schedulers_one_of_them_asleep(self):
        workers = {}
        for n in range(4):
            workers[n] = self.worker(name=f"s{n}")
        jobs = []
        for n in range(120):
            made = self.cpp("enqueue", "default", "calld.count", f'["runs:{n}"]', id=f"due-{n}", **{"in": 2 + n % 4})
            jobs.append(Job.fetch(made["id"], connection=self.redis))
        until(lambda: self.redis.zcard("rq:scheduled:default") < 100)
        lock = "rq:scheduler-lock:default"
        owner = self.redis.get(lock)
        pid = int(self.redis.hget(f"rq:scheduler:{owner.decode()}", "pid"))
        asleep = next(w for w in workers.values() if w.process.pid == pid)
        asleep.pause()
        self.redis.delete(lock)  # as if its minute were over
        until(lambda: self.redis.get(lock) not in (None, owner), what="another scheduler")
        asleep.go_on()
        for job in jobs:
            self.ends(job, "finished", 30)
        self.assertEqual({int(n) for n in self.redis.mget([f"runs:{n}" for n in range(120)])}, {1})

    def test_19_a_unique_job_runs_once(self):
        self.worker(concurrency=2)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: self.cpp("enqueue", "default", "calld.count", '["only"]', id="only-one",
                                                    unique=1), range(16)))
        self.assertEqual(sum(m["created"] for m in made), 1)
        self.ends(Job.fetch("only-one", connection=self.redis), "finished")
        self.assertEqual(self.redis.get("only"), b"1")

    def test_16_no_key_is_left_over(self):
        self.worker(concurrency=2)
        self.worker(name="cpp2")
        queue = self.queue
        jobs = []
        for n in range(10):
            kept = queue.enqueue("calld.noop", n, result_ttl=3)
            jobs += [kept, queue.enqueue("calld.noop", n), queue.enqueue("calld.fail", "x"),
                     queue.enqueue("calld.fail", "x", failure_ttl=3), queue.enqueue("calld.noop", depends_on=kept),
                     queue.enqueue("calld.fail", "x", retry=Retry(max=2))]
        gone = [queue.enqueue("calld.noop", n, result_ttl=0) for n in range(10)]
        gone += [queue.enqueue("calld.fail", "x", failure_ttl=0) for n in range(10)]
        until(lambda: not any(self.redis.exists(f"rq:job:{job.id}") for job in gone), what="jobs without a ttl being gone")
        until(lambda: not any(self.redis.exists(f"rq:job:{job.id}") and status_of(job) not in ("finished", "failed")
                              for job in jobs), what="the end of all jobs")
        self.no_ghost("cpp.1", "cpp.2", "cpp2")
        for job in gone:
            self.assertEqual((self.redis.keys(f"*{job.id}*"), self.places(job.id, "default")), ([], []))
        for key in self.redis.keys("rq:*"):
            if key.split(b":")[1] in (b"job", b"results", b"execution", b"executions"):
                self.assertGreater(self.redis.ttl(key), 0, key)
        self.assertEqual(self.redis.zcard("rq:wip:default"), 0)
        # Maintenance drops what has expired from the registries, too.
        short = {job.id for job in jobs if job.result_ttl == 3 or job.failure_ttl == 3}
        self.assertEqual(len(short), 20)
        until(lambda: not any(self.places(job_id, "default") for job_id in short), what="expired ids being gone")


class RedisAway(NoLoss):
    def test_09_a_stop_command_after_redis_was_restarted(self):
        worker = self.worker(lease=20)
        self.server.stop()
        until(lambda: "lost Redis" in worker.said())
        self.server.start()
        job = self.enqueue("after", seconds=60)
        self.starts(job)
        until(lambda: self.redis.pubsub_numsub("rq:pubsub:cpp")[0][1] == 1)
        send_stop_job_command(self.redis, job.id)
        self.ends(job, "stopped")

    def test_09_a_stop_command_after_the_subscription_died_silently(self):
        proxy = self.proxy()
        worker = self.worker(through=proxy, counter=self.server.url, lease=20)
        until(lambda: self.redis.pubsub_numsub("rq:pubsub:cpp")[0][1] == 1)
        for link in proxy.links:
            if link.name == "calld-commands":
                link.mute()
        job = self.enqueue("deaf", seconds=60)
        self.starts(job)

        def stopped():
            if status_of(job) == "started":
                send_stop_job_command(self.redis, job.id)
            return status_of(job) == "stopped"
        until(stopped, 30, "the command being heard")
        self.assertIsNone(worker.process.poll())

    def test_10_the_connection_is_cut_at_every_step(self):
        def act(step):
            job, worker, proxy, trap = self.scene("cut", step, seconds=0.3, lease=20)
            if trap:
                trap.release(deliver=False)
            proxy.cut_all()
            self.ends(job, "finished", 20)
            return job, worker
        for step, (job, worker) in self.at_every_step(act).items():
            with self.subTest(step):
                self.assert_one_end(job, "finished", runs=1)
                self.assertIsNone(worker.process.poll())
        self.no_ghost(*(f"cut-{step.replace(' ', '-')}" for step in STEPS))

    def test_10_no_answer_at_every_step(self):
        def act(step):
            job, worker, _, trap = self.scene("hang", step, seconds=0.3, lease=20)
            self.ends(job, "finished", 40)  # the trap stays shut: a new connection must be made
            if trap:
                trap.release(deliver=False)
            return job, worker
        for step, (job, worker) in self.at_every_step(act).items():
            with self.subTest(step):
                self.assert_one_end(job, "finished", runs=1)
                self.assertIsNone(worker.process.poll())
        self.no_ghost(*(f"hang-{step.replace(' ', '-')}" for step in STEPS))

    def test_10_a_black_hole_while_a_job_runs(self):
        job, worker, proxy, _ = self.scene("hole", "running", seconds=3, lease=60)
        proxy.black_hole()
        time.sleep(7)  # longer than one exchange may take; the job ends meanwhile
        self.assertIsNone(worker.process.poll())
        self.assertEqual(status_of(job), "started")
        proxy.flow()
        self.ends(job, "finished", 30)
        self.assert_one_end(job, "finished", runs=1)
        after = self.enqueue("after", "hole-running")
        self.ends(after, "finished")
        self.no_ghost("hole-running")

    def test_10_nobody_answers_at_the_start(self):
        proxy = self.proxy()
        proxy.black_hole()
        worker = CppWorker(proxy.url, name="early", counter=self.server.url)
        self.addCleanup(worker.__exit__)
        time.sleep(6)
        self.assertIsNone(worker.process.poll())
        proxy.flow()
        self.ends(self.enqueue("first"), "finished", 30)

    def test_11_registered_again_within_a_beat(self):
        worker = self.worker(concurrency=2, beat=500)
        harms = {"flush": self.redis.flushall, "key": lambda: self.redis.delete("rq:worker:cpp.1"),
                 "set": lambda: self.redis.srem("rq:workers", "rq:worker:cpp.1", "rq:worker:cpp.2")}
        for name, harm in harms.items():
            with self.subTest(name):
                harm()
                until(lambda: [w.name for w in sorted(Worker.all(connection=self.redis), key=lambda w: w.name)]
                      == ["cpp.1", "cpp.2"], 5, "both slots being registered")
                self.no_ghost("cpp.1", "cpp.2")
                self.assertEqual(len(Worker.all(queue=self.queue)), 2)
        self.ends(self.enqueue("after"), "finished")
        self.assertIsNone(worker.process.poll())

    def test_11_flushed_while_a_job_runs(self):
        job, worker, _, _ = self.scene("flush", "running", seconds=1.5)
        self.redis.flushall()
        until(lambda: self.redis.hget("rq:worker:flush-running", "state") == b"busy")
        self.no_ghost("flush-running")
        self.assertEqual((self.left_over_keys(), self.places(job.id, "flush-running")), ([], []))
        self.ends(self.enqueue("after", "flush-running"), "finished")
        self.assertIsNone(worker.process.poll())

    def test_14_redis_returns_with_an_old_snapshot(self):
        server = RedisServer("--appendonly", "no", "--save", "")
        self.addCleanup(server.close)
        self.redis = redis.Redis(port=server.port)
        self.server = server
        self.worker()
        running = self.enqueue("running", seconds=2, retry=Retry(max=1))
        self.starts(running)
        waiting = [self.enqueue(f"waiting-{n}") for n in range(5)]
        self.redis.save()
        for job in (running, *waiting):
            self.ends(job, "finished")
        server.kill()
        server.start()  # everything after the snapshot is unknown: one job is still "started"
        for job in (running, *waiting):
            self.ends(job, "finished", 30)
            self.assert_one_end(job, "finished")
        self.no_ghost("cpp")

    def test_14_redis_is_restarted_while_jobs_run(self):
        workers = [self.worker(name=f"w{n}", lease=4) for n in range(2)]
        jobs = [self.enqueue(f"job-{n}", seconds=1) for n in range(6)]
        until(lambda: self.redis.zcard("rq:wip:default") == 2)
        self.server.kill()
        time.sleep(5)  # longer than their leases, which no Redis has seen run out
        self.server.start()
        for job in jobs:
            self.ends(job, "finished", 30)
            self.assert_one_end(job, "finished", runs=1)
        self.no_ghost("w0", "w1")
        self.assertEqual([w.process.poll() for w in workers], [None, None])

    def test_14_a_replica_takes_over(self):
        replica = RedisServer()
        self.addCleanup(replica.close)
        standby = redis.Redis(port=replica.port)
        standby.replicaof("127.0.0.1", self.server.port)
        until(lambda: standby.info("replication")["master_link_status"] == "up")
        proxy = self.proxy()
        worker = self.worker(through=proxy, concurrency=2)
        self.addCleanup(self.server.start)
        jobs = [rq.Queue("default", connection=self.redis).enqueue("calld.sleep", 0.05, job_id=f"job-{n}")
                for n in range(40)]
        until(lambda: self.redis.zcard("rq:finished:default") > 5)
        self.server.stop()  # a graceful stop waits for its replica
        standby.replicaof("NO", "ONE")
        proxy.target = replica.port
        proxy.cut_all()
        self.redis = standby
        for job in jobs:
            moved = Job.fetch(job.id, connection=standby)
            self.ends(moved, "finished", 30)
            self.assert_one_end(moved, "finished")
        self.no_ghost("cpp.1", "cpp.2")
        self.assertIsNone(worker.process.poll())


class Peers(NoLoss):
    """Beside Python workers and readers of the version under test."""

    def test_05_clean_ups_leave_running_and_ended_jobs_alone(self):
        proxy = self.proxy()
        proxy.delay = 0.02
        self.worker(through=proxy, counter=self.server.url, lease=5, concurrency=2)
        jobs = [self.enqueue(f"slow-{n}") for n in range(50)]

        def clean_and_look():
            StartedJobRegistry(queue=self.queue).cleanup()
            return all(status_of(job) == "finished" for job in jobs)
        until(clean_and_look, 30, "the end of all jobs")
        for job in jobs:
            self.assert_one_end(job, "finished", runs=1)
        # Somebody left an entry behind: the job has ended all the same.
        self.redis.zadd("rq:wip:default", {f"{jobs[0].id}:{'0' * 32}": 1, jobs[1].id: 1})
        until(lambda: self.redis.zcard("rq:wip:default") == 0, what="the entries being gone")
        for job in jobs[:2]:
            self.assert_one_end(job, "finished", runs=1)

    def test_06_a_slow_start_is_not_called_stuck(self):
        job, _, _, trap = self.scene("slow", "claim answered", lease=90, ttl=180)
        intermediate = f"rq:queue:{job.origin}:intermediate"
        self.redis.set(f"{intermediate}:first_seen:{job.id}", time.time() - 100, ex=86400)
        self.rq_command("worker", "--burst", job.origin)  # its maintenance comes first
        self.assertEqual((status_of(job), self.places(job.id, job.origin)), ("started", ["wip"]))
        trap.release()
        self.ends(job, "finished")
        self.assert_one_end(job, "finished", runs=1)

    def test_15_random_graphs_of_jobs_with_python_workers(self):
        """Jobs of both languages depend on each other; some fail; each must run exactly if it may."""
        chance = random.Random(15)
        queues = {"cpp": rq.Queue("graph-cpp", connection=self.redis), "py": rq.Queue("graph-py", connection=self.redis)}
        jobs, expected = [], {}
        for n in range(40):
            kind = chance.choice(["cpp", "cpp", "py"])
            fails = chance.random() < 0.2
            lenient = chance.random() < 0.3
            parents = chance.sample(jobs, min(len(jobs), chance.choice([0, 1, 1, 2, 3])))
            name = {"cpp": ("calld.fail", "calld.noop"), "py": ("tasks.fail", "tasks.shout")}[kind][0 if fails else 1]
            depends_on = Dependency(parents, allow_failure=lenient) if parents else None
            job = queues[kind].enqueue(name, "text", depends_on=depends_on, job_id=f"node-{n}")
            met = all(expected[parent.id] in (("finished", "failed") if lenient else ("finished",)) for parent in parents)
            expected[job.id] = ("failed" if fails else "finished") if met else "deferred"
            jobs.append(job)
        self.worker("graph-cpp", concurrency=2)
        python = subprocess.Popen(["rq", "worker", "graph-py", "--url", self.server.url], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(kill_group, python)

        def wrong():
            return [(job.id, status_of(job), expected[job.id]) for job in jobs if status_of(job) != expected[job.id]]
        until(lambda: not wrong(), 60, wrong)
        for job in jobs:
            self.assertEqual(self.places(job.id, job.origin), [expected[job.id]])

    def test_15_dependents_of_an_abandoned_job(self):
        job, worker, _, _ = self.scene("parent", "running", seconds=60)
        strict = self.enqueue("strict", "parent-running", depends_on=job)
        lenient = self.enqueue("lenient", "parent-running", depends_on=Dependency([job], allow_failure=True))
        worker.kill()
        self.worker("parent-running", name="finder")
        self.ends(job, "failed")
        self.ends(lenient, "finished")
        self.assertEqual(self.places(strict.id, "parent-running"), ["deferred"])

    def test_03_a_dead_python_workers_job_runs_again(self):
        """Whoever wrote the started registry: our maintenance honours the retries."""
        python = subprocess.Popen(["rq", "worker", "default", "--url", self.server.url], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, start_new_session=True)
        job = self.queue.enqueue("tasks.sleep", 60, retry=Retry(max=2))
        self.starts(job)
        kill_group(python)
        self.assertEqual(status_of(job), "started")
        for member in self.redis.zrange("rq:wip:default", 0, -1):
            self.redis.zadd("rq:wip:default", {member: time.time() - 1})  # as if its 90 s were over
        self.worker()  # its tasks.sleep returns at once
        self.ends(job, "finished")
        self.assertEqual(int(self.redis.hget(f"rq:job:{job.id}", "retries_left")), 1)
        self.assertEqual(self.places(job.id, "default"), ["finished"])


if __name__ == "__main__":
    unittest.main()
