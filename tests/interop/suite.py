"""Python's rq and our worker on one Redis: each must do the other's work."""

import datetime
import decimal
import json
import pathlib
import subprocess
import time
import uuid
import zlib

import rq
from rq.command import send_shutdown_command, send_stop_job_command
from rq.job import Dependency, Job, Retry
from rq.registry import DeferredJobRegistry, FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.suspension import resume, suspend
from rq.worker import Worker

from fixture import WORKER, CppWorker, Suite, status_of
from servers import until


class PythonEnqueues(Suite):
    def test_arguments_of_many_types_arrive_and_return(self):
        self.worker()
        values = [1, -1, 2**40, 2.5, "text", "שלום 🙂", None, True, [1, [2]], {"a": {"b": 1}}, b"\x00\xff",
                  "x" * 70000]
        job = self.queue.enqueue("calld.noop", *values)
        self.ends(job, "finished")
        self.assertEqual(job.return_value(), values)
        self.assertEqual(job.latest_result().return_value, values)

    def test_values_that_json_lacks_arrive_as_text(self):
        self.worker()
        moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)
        number = uuid.UUID("12345678-1234-5678-1234-567812345678")
        job = self.queue.enqueue("calld.echo", moment, decimal.Decimal("1.50"), number, (1, 2), {3},
                                 2**80, datetime.timedelta(seconds=90), key={1: "a"})
        self.ends(job, "finished")
        self.assertEqual(job.return_value(), {
            "args": ["2026-01-02T03:04:05.000006+00:00", "1.50", str(number), [1, 2], [3], str(2**80), 90.0],
            "kwargs": {"key": {"1": "a"}}})

    def test_no_result_is_none(self):
        self.worker()
        job = self.queue.enqueue("calld.first", None)
        self.ends(job, "finished")
        self.assertIsNone(job.return_value())
        self.assertEqual(job.latest_result().type.value, 1)

    def test_json_serializer(self):
        self.worker()
        queue = rq.Queue("default", connection=self.redis, serializer=JSONSerializer)
        job = queue.enqueue("calld.add", 20, 22)
        self.ends(job, "finished")
        self.assertEqual(job.return_value(), 42)

    def test_alias(self):
        self.worker()
        job = self.queue.enqueue("old.package.tasks.add", 1, 2)
        self.ends(job, "finished")
        self.assertEqual(job.return_value(), 3)

    def test_failure_text_and_registry(self):
        self.worker()
        job = self.queue.enqueue("calld.fail", "no line")
        self.ends(job, "failed")
        self.assertEqual(self.failure_text(job).strip().splitlines()[-1], "calld.unavailable: no line")
        self.assertIn(job.id, FailedJobRegistry(queue=self.queue).get_job_ids())
        self.assertEqual(StartedJobRegistry(queue=self.queue).get_job_ids(), [])
        self.assertGreater(self.redis.ttl(f"rq:results:{job.id}"), 0)

    def test_exception_in_a_function_is_a_failure(self):
        self.worker()
        job = self.queue.enqueue("calld.add", "one", "two")
        self.ends(job, "failed")
        self.assertIn("type must be number", self.failure_text(job))

    def test_unknown_function(self):
        self.worker()
        job = self.queue.enqueue("calld.nothing_like_it")
        self.ends(job, "failed")
        self.assertIn("ValueError: Invalid attribute name: calld.nothing_like_it", self.failure_text(job))

    def test_data_that_cannot_be_read_fails_the_job_not_the_worker(self):
        self.worker()
        path = self.queue.enqueue("calld.noop", pathlib.PurePosixPath("/tmp"))
        self.ends(path, "failed")
        self.assertIn("rq.exceptions.DeserializationError", self.failure_text(path))
        for number, data in enumerate([b"", b"\x80", b"garbage", zlib.compress(b"\x80\x05cos\nsystem\n(S'x'\ntR.")]):
            job = Job.create("calld.noop", connection=self.redis, id=f"bad-{number}", origin="default")
            self.queue.enqueue_job(job)
            self.redis.lrem("rq:queue:default", 0, job.id)
            if status_of(job) != "queued":
                continue
            self.redis.hset(f"rq:job:{job.id}", "data", data)
            self.redis.rpush("rq:queue:default", job.id)
            until(lambda: self.redis.hget(f"rq:job:{job.id}", "status") == b"failed")
        after = self.queue.enqueue("calld.add", 1, 1)
        self.ends(after, "finished")

    def test_retry_with_intervals(self):
        self.worker()
        job = self.queue.enqueue("calld.fail", "again", retry=Retry(max=2, interval=[0, 1]))
        until(lambda: status_of(job) == "scheduled")
        self.ends(job, "failed")
        job.refresh()
        self.assertEqual(job.retries_left, 0)
        self.assertEqual(self.redis.hget("rq:worker:cpp", "failed_job_count"), b"3")

    def test_time_limit(self):
        self.worker()
        job = self.queue.enqueue("calld.sleep", 20, job_timeout=1)
        self.ends(job, "failed", 5)
        self.assertIn("rq.timeouts.JobTimeoutException: Task exceeded maximum timeout value (1 seconds)",
                      self.failure_text(job))

    def test_time_limit_of_a_function_that_never_looks(self):
        self.worker()
        job = self.queue.enqueue("calld.stubborn", 3, job_timeout=1)
        begun = time.monotonic()
        self.ends(job, "failed", 5)
        self.assertLess(time.monotonic() - begun, 2.5)
        self.assertIn("JobTimeoutException", self.failure_text(job))
        after = self.queue.enqueue("calld.add", 1, 1)  # waits for the only slot
        self.ends(after, "finished")

    def test_canceled_jobs_do_not_run(self):
        dropped = self.queue.enqueue("calld.count", "runs")
        dropped.cancel()
        stale = self.queue.enqueue("calld.count", "runs")
        self.redis.hset(f"rq:job:{stale.id}", "status", "canceled")  # its id stays in the queue
        deleted = self.queue.enqueue("calld.count", "runs")
        self.redis.delete(f"rq:job:{deleted.id}")
        last = self.queue.enqueue("calld.count", "last")
        self.worker()
        self.ends(last, "finished")
        self.assertIsNone(self.redis.get("runs"))
        self.assertEqual(self.queue.count, 0)

    def test_scheduled(self):
        self.worker()
        begun = time.time()
        job = self.queue.enqueue_in(datetime.timedelta(seconds=2), "calld.add", 1, 2)
        self.assertEqual(status_of(job), "scheduled")
        self.ends(job, "finished", 8)
        job.refresh()
        # RQ keeps the due time in whole seconds, the fraction cut off.
        self.assertGreaterEqual(job.ended_at.replace(tzinfo=datetime.timezone.utc).timestamp(), int(begun + 2))
        self.assertEqual(self.redis.zcard("rq:scheduled:default"), 0)

    def test_dependents(self):
        first = self.queue.enqueue("calld.fail", "first")
        good = self.queue.enqueue("calld.add", 1, 1)
        both = self.queue.enqueue("calld.add", 2, 2, depends_on=[good, first])
        lenient = self.queue.enqueue("calld.add", 3, 3, depends_on=Dependency([first], allow_failure=True))
        after_good = self.queue.enqueue("calld.add", 4, 4, depends_on=good)
        chained = self.queue.enqueue("calld.add", 5, 5, depends_on=after_good)
        self.assertEqual(status_of(chained), "deferred")
        self.worker(concurrency=2)
        self.ends(chained, "finished")
        self.ends(lenient, "finished")
        self.assertEqual(status_of(both), "deferred")
        self.assertEqual(DeferredJobRegistry(queue=self.queue).get_job_ids(), [both.id])

    def test_result_ttls(self):
        self.worker()
        kept = self.queue.enqueue("calld.add", 1, 1, result_ttl=-1)
        self.ends(kept, "finished")
        self.assertEqual(self.redis.ttl(f"rq:job:{kept.id}"), -1)
        usual = self.queue.enqueue("calld.add", 1, 1)
        self.ends(usual, "finished")
        self.assertTrue(490 <= self.redis.ttl(f"rq:job:{usual.id}") <= 500)
        self.assertIn(usual.id, FinishedJobRegistry(queue=self.queue).get_job_ids())
        gone = self.queue.enqueue("calld.add", 1, 1, result_ttl=0)
        until(lambda: not self.redis.keys(f"rq:*{gone.id}*"), 5, "every key of the job being gone")
        self.assertEqual(self.redis.zcard("rq:wip:default"), 0)

    def test_order_of_queues_and_front(self):
        other = rq.Queue("other", connection=self.redis)
        jobs = [other.enqueue("calld.count", "order"), self.queue.enqueue("calld.count", "order"),
                self.queue.enqueue("calld.count", "order", at_front=True)]
        self.worker("default,other")
        for job in jobs:
            self.ends(job, "finished")
        self.assertEqual([job.return_value() for job in jobs], [3, 2, 1])

    def test_jobs_start_at_once_on_every_queue(self):
        other = rq.Queue("other", connection=self.redis)
        self.worker("default,other", concurrency=2)
        time.sleep(0.1)
        begun = time.monotonic()
        for number in range(50):
            job = (other if number % 2 else self.queue).enqueue("calld.noop", number)
            self.ends(job, "finished")
        self.assertLess(time.monotonic() - begun, 2.5)  # 50 ms each, polling would take 25 s


class Workers(Suite):
    def test_rq_info_shows_idle_and_busy(self):
        self.worker(concurrency=2)
        self.assertEqual(self.rq_command("info").count(": idle default"), 2)
        job = self.queue.enqueue("calld.sleep", 20)
        self.starts(job)
        shown = self.rq_command("info")
        self.assertEqual(shown.count(": busy default"), 1)
        self.assertEqual(shown.count(": idle default"), 1)
        busy = [w for w in Worker.all(connection=self.redis) if w.get_state() == "busy"]
        self.assertEqual([w.get_current_job_id() for w in busy], [job.id])
        started = StartedJobRegistry(queue=self.queue).get_job_ids()
        self.assertEqual([entry.split(":")[0] for entry in started], [job.id])  # 1.x shows "job:execution"
        read = {w["name"]: w["job"] for w in self.cpp("workers")}
        self.assertEqual(sorted(read.values()), ["", job.id])

    def test_counts_and_sign_off(self):
        worker = self.worker()
        self.ends(self.queue.enqueue("calld.add", 1, 1), "finished")
        self.ends(self.queue.enqueue("calld.fail", "x"), "failed")
        seen = Worker.all(connection=self.redis)[0]
        self.assertEqual((seen.successful_job_count, seen.failed_job_count), (1, 1))
        worker.terminate()
        self.assertEqual(worker.wait(), 0)
        self.assertEqual(Worker.all(connection=self.redis), [])
        self.assertIsNotNone(self.redis.hget("rq:worker:cpp", "death"))

    def test_stop_job_command(self):
        self.worker(concurrency=2)
        job = self.queue.enqueue("calld.sleep", 20, retry=Retry(max=3))
        self.starts(job)
        send_stop_job_command(self.redis, job.id)
        self.ends(job, "stopped", 5)
        self.assertIn("Job stopped by user", self.failure_text(job))
        self.assertIn(job.id, FailedJobRegistry(queue=self.queue).get_job_ids())

    def test_shutdown_command_ends_one_slot(self):
        worker = self.worker(concurrency=2)
        until(lambda: self.redis.pubsub_numsub("rq:pubsub:cpp.1")[0][1] == 1)
        send_shutdown_command(self.redis, "cpp.1")
        until(lambda: [w.name for w in Worker.all(connection=self.redis)] == ["cpp.2"])
        self.ends(self.queue.enqueue("calld.add", 1, 1), "finished")
        send_shutdown_command(self.redis, "cpp.2")
        self.assertEqual(worker.wait(), 0)

    def test_suspend(self):
        self.worker()
        suspend(self.redis)
        job = self.queue.enqueue("calld.add", 1, 1)
        until(lambda: self.redis.hget("rq:worker:cpp", "state") == b"suspended")
        self.assertEqual(status_of(job), "queued")
        self.redis.lrem("rq:queue:default", 0, job.id)
        resume(self.redis)
        until(lambda: self.redis.hget("rq:worker:cpp", "state") == b"idle", what="the worker being idle without a job")
        self.redis.rpush("rq:queue:default", job.id)
        self.ends(job, "finished")

    def test_burst_ends_with_the_queue(self):
        jobs = [self.queue.enqueue("calld.add", n, n) for n in range(20)]
        worker = CppWorker(self.server.url, name="burst", burst=1, concurrency=3)
        self.addCleanup(worker.__exit__)
        self.assertEqual(worker.wait(), 0)
        self.assertEqual([job.return_value() for job in jobs], [2 * n for n in range(20)])

    def test_a_taken_name_is_refused_until_its_owner_is_dead(self):
        first = self.worker(name="same")
        second = CppWorker(self.server.url, name="same")
        self.addCleanup(second.__exit__)
        self.assertEqual(second.wait(), 1)
        first.kill()
        self.worker(name="same")

    def test_a_worker_of_version_1_changes_how_started_jobs_are_registered(self):
        self.worker()
        job = self.queue.enqueue("calld.sleep", 20)
        self.starts(job)
        member = self.redis.zrange("rq:wip:default", 0, -1)[0].decode()
        self.assertRegex(member, f"^{job.id}:[0-9a-f]{{32}}$")
        send_stop_job_command(self.redis, job.id)
        self.ends(job, "stopped")

        self.redis.hset("rq:worker:old", mapping={"birth": "2026-01-01T00:00:00.000000Z", "version": "1.13.0",
                                                  "python_version": "3.11", "hostname": "h", "pid": "1"})
        self.redis.sadd("rq:workers", "rq:worker:old")
        time.sleep(1.2)  # two rounds of maintenance
        job = self.queue.enqueue("calld.sleep", 20)
        self.starts(job)
        self.assertEqual(self.redis.zrange("rq:wip:default", 0, -1), [job.id.encode()])
        self.assertEqual(self.redis.hget("rq:worker:cpp", "state"), b"busy")
        self.assertEqual(StartedJobRegistry(queue=self.queue).get_job_ids(), [job.id])
        send_stop_job_command(self.redis, job.id)
        self.ends(job, "stopped")

    def test_pythons_clean_up_leaves_a_running_job_alone(self):
        self.worker()
        job = self.queue.enqueue("calld.sleep", 4, job_timeout=60)
        self.starts(job)
        for _ in range(5):
            StartedJobRegistry(queue=self.queue).cleanup()
            time.sleep(0.7)  # longer than the lease of 3 s in all
        self.ends(job, "finished")


class CppEnqueues(Suite):
    def test_python_works(self):
        made = self.cpp("enqueue", "default", "tasks.add", "[20, 22]")
        upper = self.cpp("enqueue", "default", "tasks.shout", '["שלום a\\u00e9"]')
        bad = self.cpp("enqueue", "default", "tasks.fail", '["no luck"]')
        self.python_works()
        job = Job.fetch(made["id"], connection=self.redis)
        self.assertEqual((status_of(job), job.return_value()), ("finished", 42))
        self.assertEqual((job.func_name, job.args, job.kwargs), ("tasks.add", (20, 22), {}))
        self.assertEqual(job.description, "tasks.add(20, 22)")
        self.assertEqual((job.timeout, job.result_ttl, job.origin), (180, 500, "default"))
        self.assertEqual(Job.fetch(upper["id"], connection=self.redis).return_value(), "שלום AÉ")
        read = self.cpp("job", bad["id"])
        self.assertEqual(read["status"], "failed")
        self.assertIn("RuntimeError: no luck", read["error"])
        self.assertEqual(self.cpp("job", made["id"])["result"], "42")

    def test_retries_are_read_by_python(self):
        made = self.cpp("enqueue", "default", "tasks.fail", '["x"]', retries=2)
        self.python_works()
        job = Job.fetch(made["id"], connection=self.redis)
        self.assertEqual((status_of(job), job.retries_left), ("failed", 0))

    def test_unique_and_front(self):
        first = self.cpp("enqueue", "default", "tasks.add", "[1,1]", id="only-one", unique=1)
        again = self.cpp("enqueue", "default", "tasks.add", "[2,2]", id="only-one", unique=1)
        self.assertEqual((first["created"], again["created"]), (True, False))
        self.cpp("enqueue", "default", "tasks.add", "[3,3]", id="first", front=1)
        self.assertEqual(self.queue.job_ids, ["first", "only-one"])
        self.assertEqual(Job.fetch("only-one", connection=self.redis).args, (1, 1))

    def test_scheduled_is_seen_by_python(self):
        made = self.cpp("enqueue", "default", "tasks.add", "[1,1]", **{"in": 60})
        job = Job.fetch(made["id"], connection=self.redis)
        self.assertEqual(status_of(job), "scheduled")
        self.assertIn(job.id, self.queue.scheduled_job_registry.get_job_ids())

    def test_operator_reads_and_changes(self):
        job = self.queue.enqueue("calld.add", 1, b"\x01", key=datetime.date(2026, 1, 2))
        read = self.cpp("job", job.id)
        self.assertEqual((read["function"], json.loads(read["args"]), json.loads(read["kwargs"])),
                         ("calld.add", [1, "<1 bytes>"], {"key": "2026-01-02"}))
        self.assertEqual(self.cpp("queues")[0]["queued"], 1)
        self.cpp("cancel", job.id)
        job.refresh()
        self.assertEqual((status_of(job), self.queue.count), ("canceled", 0))
        self.cpp("requeue", job.id)
        self.assertEqual((status_of(job), self.queue.job_ids), ("queued", [job.id]))
        self.assertEqual(self.redis.zcard("rq:canceled:default"), 0)
        refused = subprocess.run([WORKER, "requeue", self.server.url, job.id], capture_output=True, text=True)
        self.assertIn("(conflict)", refused.stderr)
        missing = subprocess.run([WORKER, "job", self.server.url, "nobody"], capture_output=True, text=True)
        self.assertIn("(not_found)", missing.stderr)


class NothingIsLost(Suite):
    def test_killed_while_running_fails_as_abandoned(self):
        worker = self.worker(name="victim")
        job = self.queue.enqueue("calld.sleep", 60)
        self.starts(job)
        worker.kill()
        self.worker(name="finder")
        self.ends(job, "failed", 8)
        self.assertIn("AbandonedJobError", self.failure_text(job))
        self.assertIn(job.id, FailedJobRegistry(queue=self.queue).get_job_ids())
        self.assertEqual(self.redis.zcard("rq:wip:default"), 0)

    def test_killed_while_running_is_tried_again(self):
        worker = self.worker(name="victim")
        job = self.queue.enqueue("calld.sleep", 2, retry=Retry(max=1))
        self.starts(job)
        worker.kill()
        self.worker(name="finder")
        self.ends(job, "finished", 10)

    def test_killed_again_and_again(self):
        jobs = [self.queue.enqueue("calld.count", f"runs:{n}", retry=Retry(max=5)) for n in range(300)]
        for round_number in range(6):
            worker = self.worker(name=f"victim-{round_number}", concurrency=2, lease=2)
            time.sleep(0.02 * round_number)
            worker.kill()
        self.worker(name="finder", concurrency=2, lease=2)
        for job in jobs:
            self.ends(job, "finished", 20)
        runs = [int(self.redis.get(f"runs:{n}")) for n in range(300)]
        self.assertTrue(all(n >= 1 for n in runs))
        self.assertLessEqual(sum(runs), 300 + 12)  # at most the jobs under way at each kill

    def test_four_workers_run_each_job_once(self):
        other = rq.Queue("other", connection=self.redis)
        for number in range(4):
            self.worker("default,other", name=f"w{number}")
        jobs = [(other if n % 3 == 0 else self.queue).enqueue("calld.count", f"runs:{n}") for n in range(500)]
        for job in jobs:
            self.ends(job, "finished", 20)
        self.assertEqual([int(self.redis.get(f"runs:{n}")) for n in range(500)], [1] * 500)
        counts = [w.successful_job_count for w in Worker.all(connection=self.redis)]
        self.assertEqual(sum(counts), 500)

    def test_python_and_cpp_workers_share_a_queue(self):
        self.worker()
        jobs = [self.queue.enqueue("calld.count", f"runs:{n}") for n in range(50)]
        python = rq.Queue("python", connection=self.redis)
        theirs = [python.enqueue("tasks.add", n, n) for n in range(5)]
        self.python_works("python")
        for job in jobs + theirs:
            self.ends(job, "finished")

    def test_an_id_stuck_in_the_intermediate_list_runs(self):
        job = self.queue.enqueue("calld.add", 1, 2)
        self.redis.lmove("rq:queue:default", "rq:queue:default:intermediate", "LEFT", "RIGHT")
        self.redis.set(f"rq:queue:default:intermediate:first_seen:{job.id}", time.time() - 61)
        self.worker()
        self.ends(job, "finished")
        self.assertEqual(self.redis.llen("rq:queue:default:intermediate"), 0)

    def test_drain_gives_a_running_job_back(self):
        worker = self.worker(drain=300)
        job = self.queue.enqueue("calld.sleep", 60)
        waiting = self.queue.enqueue("calld.add", 1, 1)
        self.starts(job)
        worker.terminate()
        self.assertEqual(worker.wait(5), 0)
        self.assertEqual((status_of(job), self.queue.job_ids), ("queued", [job.id, waiting.id]))
        self.assertEqual(self.redis.zcard("rq:wip:default"), 0)

    def test_drain_lets_a_short_job_end(self):
        worker = self.worker(drain=5000)
        job = self.queue.enqueue("calld.sleep", 1.5)
        self.starts(job)
        time.sleep(0.5)  # the function has begun, too: a job that is only claimed is given back
        worker.terminate()
        self.assertEqual(worker.wait(5), 0)
        self.assertEqual(status_of(job), "finished")

    def test_drain_does_not_wait_for_a_function_that_never_looks(self):
        worker = self.worker(drain=200)
        job = self.queue.enqueue("calld.stubborn", 60)
        self.starts(job)
        time.sleep(0.5)  # as above
        worker.terminate()
        self.assertEqual(worker.wait(8), 1)
        self.assertEqual((status_of(job), self.queue.job_ids), ("queued", [job.id]))
        self.assertEqual(Worker.all(connection=self.redis), [])


class RedisTrouble(Suite):
    def test_lost_data_is_noticed(self):
        self.worker(concurrency=2)
        self.redis.flushall()
        until(lambda: len(Worker.all(connection=self.redis)) == 2, what="both slots being registered again")
        self.ends(self.queue.enqueue("calld.add", 1, 1), "finished")

    def test_lost_data_while_a_job_runs(self):
        worker = self.worker()
        job = self.queue.enqueue("calld.sleep", 1.5)
        self.starts(job)
        self.redis.flushall()
        until(lambda: self.redis.hget("rq:worker:cpp", "state") == b"busy")
        until(lambda: self.redis.hget("rq:worker:cpp", "state") == b"idle")
        self.assertIsNone(worker.process.poll())
        self.assertEqual(self.left_over_keys(), [])

    def test_restart_in_the_middle_of_a_job(self):
        worker = self.worker(lease=10)
        job = self.queue.enqueue("calld.sleep", 1.5)
        self.starts(job)
        self.server.stop()
        time.sleep(2)  # the job ends while Redis is away
        self.server.start()
        self.ends(job, "finished")
        after = self.queue.enqueue("calld.sleep", 60)
        self.starts(after)
        until(lambda: self.redis.pubsub_numsub("rq:pubsub:cpp")[0][1] == 1)
        send_stop_job_command(self.redis, after.id)
        self.ends(after, "stopped")
        self.assertEqual(worker.said().count("lost Redis"), 1)

    def test_a_worker_waits_for_redis_at_its_start(self):
        self.server.stop()
        worker = CppWorker(self.server.url, name="early")
        self.addCleanup(worker.__exit__)
        time.sleep(0.5)
        self.assertIsNone(worker.process.poll())
        self.server.start()
        self.ends(self.queue.enqueue("calld.add", 1, 1), "finished")

    def test_a_worker_that_waits_for_redis_can_be_ended(self):
        self.server.stop()
        self.addCleanup(self.server.start)
        worker = CppWorker(self.server.url, name="early")
        self.addCleanup(worker.__exit__)
        until(lambda: "lost Redis" in worker.said())
        worker.terminate()
        self.assertEqual(worker.wait(5), 0)
