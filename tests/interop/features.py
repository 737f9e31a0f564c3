"""What a job can ask for, one by one: Python's rq asks and our worker does, and the other way round."""

import datetime
import http.server
import json
import threading
import time

import rq
from rq.job import Job, Retry
from rq.registry import DeferredJobRegistry
from rq.serializers import JSONSerializer
from rq.worker import Worker

from fixture import Suite, status_of, until

VERSION = tuple(int(part) for part in rq.VERSION.split(".")[:2])


class Features(Suite):
    def waiting(self, function, *args, fields=None, **options):
        """A job that Python has enqueued before a worker is there, with fields that its version may not know."""
        job = self.queue.enqueue(function, *args, **options)
        if fields:
            self.redis.hset(f"rq:job:{job.id}", mapping=fields)
        return job

    def noted(self):
        return [json.loads(text) for text in self.redis.lrange("noted", 0, -1)]

    def field(self, job, name):
        return self.redis.hget(f"rq:job:{job.id}", name)


class Callbacks(Features):
    def test_on_success_gets_the_result(self):
        job = self.waiting("calld.add", 20, 22, fields={"success_callback_name": "calld.note"})
        self.worker()
        self.ends(job, "finished")
        self.assertEqual(self.noted(), [[job.id, "finished", 42]])

    def test_on_failure_gets_the_failure_text(self):
        job = self.waiting("calld.fail", "no line", fields={"failure_callback_name": "calld.note"})
        self.worker()
        self.ends(job, "failed")
        [[told, event, text]] = self.noted()
        self.assertEqual((told, event), (job.id, "failed"))
        self.assertEqual(text, self.failure_text(job))

    def test_on_failure_of_a_job_out_of_time(self):
        job = self.waiting("calld.sleep", 30, job_timeout=1, fields={"failure_callback_name": "calld.note"})
        self.worker()
        self.ends(job, "failed")
        self.assertIn("JobTimeoutException", self.noted()[0][2])

    def test_on_stopped(self):
        job = self.waiting("calld.sleep", 60, fields={"stopped_callback_name": "calld.note"})
        self.worker()
        self.starts(job)
        self.cpp("stop", job.id)
        self.ends(job, "stopped")
        self.assertEqual(self.noted()[0][:2], [job.id, "stopped"])

    def test_on_stopped_of_a_function_that_ignores_the_stop(self):
        job = self.waiting("calld.stubborn", 12, fields={"stopped_callback_name": "calld.note",
                                                         "failure_callback_name": "calld.note"})
        worker = self.worker()
        self.starts(job)
        self.cpp("stop", job.id)
        self.ends(job, "stopped", 9)  # the function goes on
        [[told, event, text]] = until(self.noted, what="the callback")
        self.assertEqual((told, event), (job.id, "stopped"))
        self.assertIn("Job stopped by user, work-horse terminated.", text)
        self.ends(self.queue.enqueue("calld.add", 1, 1), "finished")  # the slot is back
        self.assertEqual(len(self.noted()), 1)
        self.assertIsNone(worker.process.poll())

    def test_on_failure_of_a_function_that_ignores_its_time_limit(self):
        job = self.waiting("calld.stubborn", 6, job_timeout=1, retry=Retry(max=1),
                           fields={"stopped_callback_name": "calld.note", "failure_callback_name": "calld.note"})
        self.worker(concurrency=2)
        self.ends(job, "failed")
        until(lambda: len(self.noted()) == 2, what="a callback for each try")
        for told, event, text in self.noted():
            self.assertEqual((told, event), (job.id, "failed"))
            self.assertIn("JobTimeoutException: Task exceeded maximum timeout value (1 seconds)", text)

    def test_callbacks_that_ignore_their_time_limit(self):
        deaf = {"success_callback_name": "calld.deaf", "success_callback_timeout": "1",
                "failure_callback_name": "calld.deaf", "failure_callback_timeout": "1",
                "stopped_callback_name": "calld.deaf", "stopped_callback_timeout": "1"}
        good = self.waiting("calld.add", 1, 1, fields={**deaf, "failure_callback_name": "calld.note"})
        bad = self.waiting("calld.fail", "no line", fields=deaf)
        stopped = self.waiting("calld.sleep", 60, fields=deaf)
        self.worker(concurrency=3)
        self.starts(stopped)
        self.cpp("stop", stopped.id)
        for job, status, last in ((good, "failed", "calld.timeout: the callback exceeded its 1 seconds"),
                                  (bad, "failed", "calld.unavailable: no line"),
                                  (stopped, "stopped", "Job stopped by user, work-horse terminated.")):
            self.ends(job, status)
            self.assertEqual(self.failure_text(job).strip().splitlines()[-1], last)
            if job is not good:
                self.assertIn("Its callback calld.deaf failed: the callback exceeded its 1 seconds",
                              self.failure_text(job))
        until(lambda: len(self.noted()) == 4, what="the on_failure of the first job, aside")
        self.assertEqual(sorted(entry[:2] for entry in self.noted()),
                         sorted([[good.id, "finished"], [good.id, "failed"], [bad.id, "failed"], [stopped.id, "stopped"]]))

    def test_unknown_on_success_fails_the_job_as_in_python(self):
        job = self.waiting("calld.add", 1, 1, fields={"success_callback_name": "shop.told",
                                                      "failure_callback_name": "calld.note"})
        self.worker()
        self.ends(job, "failed")
        self.assertIn("ValueError: Invalid attribute name: shop.told", self.failure_text(job))
        self.assertEqual([entry[1] for entry in self.noted()], ["failed"])

    def test_unknown_on_success_can_be_left_out(self):
        job = self.waiting("calld.add", 1, 1, fields={"success_callback_name": "shop.told"})
        self.worker(unknown_callbacks="ignore")
        self.ends(job, "finished")

    def test_a_failing_on_success_fails_the_job(self):
        job = self.waiting("calld.add", 1, 1, fields={"success_callback_name": "calld.add"})
        self.worker()
        self.ends(job, "failed")

    def test_a_failing_on_failure_is_noted_and_the_reason_stays_last(self):
        job = self.waiting("calld.fail", "first", fields={"failure_callback_name": "shop.told"})
        self.worker()
        self.ends(job, "failed")
        text = self.failure_text(job).strip()
        self.assertIn("Its callback shop.told failed: Invalid attribute name: shop.told", text)
        self.assertEqual(text.splitlines()[-1], "calld.unavailable: first")

    def test_a_callback_has_a_time_limit_of_its_own(self):
        job = self.waiting("calld.add", 1, 1, fields={"success_callback_name": "calld.hang",
                                                      "success_callback_timeout": "1"})
        self.worker()
        self.ends(job, "failed")
        after = self.queue.enqueue("calld.add", 1, 1)
        self.ends(after, "finished")

    def test_on_failure_of_an_abandoned_job(self):
        victim = self.worker(name="victim")
        job = self.queue.enqueue("calld.sleep", 60)
        self.redis.hset(f"rq:job:{job.id}", "failure_callback_name", "calld.note")
        self.starts(job)
        victim.kill()
        self.worker(name="finder")
        self.ends(job, "failed")
        [[told, event, text]] = until(self.noted, what="the callback")
        self.assertEqual((told, event), (job.id, "failed"))
        self.assertIn("AbandonedJobError", text)

    if VERSION >= (2, 0):
        def test_python_names_them_itself(self):
            self.worker()
            job = self.queue.enqueue("calld.add", 1, 1, on_success=rq.Callback("calld.note"),
                                     on_failure=rq.Callback("calld.note"), on_stopped=rq.Callback("calld.note"))
            self.ends(job, "finished")
            self.assertEqual(self.noted(), [[job.id, "finished", 2]])

    def test_pythons_worker_runs_those_that_we_name(self):
        good = self.cpp("enqueue", "default", "tasks.add", "[1,2]", on_success="tasks.on_success")
        bad = self.cpp("enqueue", "default", "tasks.fail", '["no"]', on_failure="tasks.on_failure")
        self.python_works()
        self.assertEqual(self.redis.get(f"told:{good['id']}"), b"3")
        self.assertEqual(self.redis.get(f"told:{bad['id']}"), b"no")


class Meta(Features):
    def test_progress_is_seen_while_the_job_runs_and_python_values_survive(self):
        moment = datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)
        job = self.waiting("calld.progress", 1, meta={"when": moment, "tags": ("a", "b"), "percent": None})
        self.worker()

        def under_way():
            percent = Job.fetch(job.id, connection=self.redis).meta["percent"]
            return percent is not None and 0 < percent < 100
        until(under_way, what="progress under way")
        self.ends(job, "finished")
        job.refresh()
        self.assertEqual(job.meta, {"when": moment, "tags": ("a", "b"), "percent": 100})
        self.assertLess(len(self.field(job, "meta")), 200)  # it does not grow with each change
        read = json.loads(self.cpp("job", job.id)["meta"])
        self.assertEqual(read["percent"], 100)

    def test_a_job_without_meta_gets_one(self):
        job = self.waiting("calld.progress", 0)
        self.worker()
        self.ends(job, "finished")
        job.refresh()
        self.assertEqual(job.meta, {"percent": 100})

    def test_json_serializer(self):
        queue = rq.Queue("default", connection=self.redis, serializer=JSONSerializer)
        job = queue.enqueue("calld.progress", 0, meta={"a": [1]})
        self.worker()
        self.ends(job, "finished")
        job.refresh()
        self.assertEqual((job.meta, job.return_value()), ({"a": [1], "percent": 100}, "done"))

    def test_changes_of_others_are_kept(self):
        job = self.waiting("calld.progress", 1)
        self.worker()
        self.starts(job)
        mine = Job.fetch(job.id, connection=self.redis)
        mine.meta = {"theirs": 1}
        mine.save_meta()
        self.ends(job, "finished")
        job.refresh()
        self.assertEqual(job.meta, {"theirs": 1, "percent": 100})

    def test_python_reads_what_we_enqueue(self):
        made = self.cpp("enqueue", "default", "tasks.add", "[1,2]", meta='{"n": [1, "x"]}')
        self.assertEqual(Job.fetch(made["id"], connection=self.redis).meta, {"n": [1, "x"]})


class Retries(Features):
    def test_a_returned_retry_runs_it_again(self):
        self.worker()
        job = self.queue.enqueue("calld.ask_again", "runs", 3, 5)
        self.ends(job, "finished")
        self.assertEqual((job.return_value(), self.field(job, "number_of_retries")), (3, b"2"))

    def test_a_returned_retry_is_given_up(self):
        self.worker()
        job = self.queue.enqueue("calld.ask_again", "runs", 100, 2)
        self.ends(job, "failed")
        self.assertEqual(self.redis.get("runs"), b"3")
        self.assertIn("it asked for another try more than 2 times", self.failure_text(job))

    def test_at_the_front(self):
        first = self.waiting("calld.fail", "x", retry=Retry(max=1), fields={"enqueue_at_front_on_retry": "1"})
        second = self.queue.enqueue("calld.count", "order")
        self.worker()
        self.ends(second, "finished")
        first.refresh()
        self.assertEqual((status_of(first), first.retries_left), ("failed", 0))  # before the second

    def test_a_repeated_job_runs_so_often_and_keeps_its_results(self):
        job = self.waiting("calld.count", "runs", fields={"repeats_left": "2", "repeat_intervals": "[0, 1]"})
        self.worker()
        until(lambda: self.redis.get("runs") == b"3", what="three runs")
        self.ends(job, "finished")
        self.assertEqual(self.field(job, "repeats_left"), b"0")
        self.assertEqual(self.redis.xlen(f"rq:results:{job.id}"), 3)
        self.assertGreater(self.redis.ttl(f"rq:job:{job.id}"), 0)

    if VERSION >= (2, 3):
        def test_python_repeats_itself(self):
            self.worker()
            job = self.queue.enqueue("calld.count", "runs", repeat=rq.Repeat(times=2, interval=0))
            until(lambda: self.redis.get("runs") == b"3", what="three runs")
            self.ends(job, "finished")

        def test_pythons_worker_repeats_what_we_enqueue(self):
            made = self.cpp("enqueue", "default", "tasks.add", "[1,2]", repeats=1)
            self.python_works()
            self.assertEqual(self.redis.hget(f"rq:job:{made['id']}", "repeats_left"), b"0")


class Lifetimes(Features):
    def test_a_job_that_waited_too_long_is_left_out(self):
        job = self.waiting("calld.count", "runs", ttl=1)
        until(lambda: not self.redis.exists(f"rq:job:{job.id}"), what="its time being over")
        worker = self.worker()
        after = self.queue.enqueue("calld.add", 1, 1)
        self.ends(after, "finished")
        self.assertIsNone(self.redis.get("runs"))
        self.assertIn("left out of its queue: its job is gone", worker.said())

    def test_a_job_that_has_started_does_not_expire(self):
        self.worker()
        job = self.queue.enqueue("calld.sleep", 2, ttl=1)
        self.ends(job, "finished")

    def test_failure_ttl(self):
        self.worker()
        job = self.queue.enqueue("calld.fail", "x", failure_ttl=60)
        self.ends(job, "failed")
        for key in (f"rq:job:{job.id}", f"rq:results:{job.id}"):
            self.assertTrue(0 < self.redis.ttl(key) <= 60)

    def test_no_key_is_left_without_an_owner(self):
        self.worker(concurrency=2)
        for number in range(40):
            self.queue.enqueue("calld.add", number, 1, result_ttl=1)
            self.queue.enqueue("calld.fail", "x", failure_ttl=1, retry=Retry(max=1))
            self.queue.enqueue("calld.add", number, 1, result_ttl=0)
        until(lambda: self.queue.count == 0 and self.left_over_keys() == [], what="every key being gone")
        until(lambda: self.redis.zcard("rq:finished:default") + self.redis.zcard("rq:failed:default") == 0,
              what="the registries being clean")


class Hooks(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append(("POST", self.path, dict(self.headers), json.loads(body)))
        self.send_response(204)
        self.end_headers()

    def do_GET(self):
        self.server.seen.append(("GET", self.path, dict(self.headers), None))
        self.send_response(500)
        self.end_headers()

    def log_message(self, *_):
        pass


class Webhooks(Features):
    def setUp(self):
        super().setUp()
        self.receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hooks)
        self.receiver.seen = []
        thread = threading.Thread(target=self.receiver.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.receiver.shutdown)
        self.base = f"http://127.0.0.1:{self.receiver.server_port}"

    def hook(self, path, status, method="POST", **more):
        return {"url": self.base + path, "job_status": status, "method": method, "headers": None, "timeout": 5, **more}

    def test_each_end_tells_its_own(self):
        hooks = json.dumps([self.hook("/good", "finished", headers={"X-Token": "t"}), self.hook("/bad", "failed"),
                            self.hook("/ping", "finished", "GET"), {"url": "file:///etc/passwd", "job_status": "failed"}])
        good = self.waiting("calld.add", 1, 1, fields={"webhooks": hooks})
        bad = self.waiting("calld.fail", "no luck", fields={"webhooks": hooks})
        self.worker()
        self.ends(good, "finished")
        self.ends(bad, "failed")
        until(lambda: len(self.receiver.seen) == 3, what="three requests")
        seen = {path: (method, headers, body) for method, path, headers, body in self.receiver.seen}
        method, headers, body = seen["/good"]
        self.assertEqual((method, headers["X-Token"], headers["Content-Type"]), ("POST", "t", "application/json"))
        self.assertEqual((body["job_id"], body["func_name"], body["status"]), (good.id, "calld.add", "finished"))
        for name in ("enqueued_at", "ended_at"):
            datetime.datetime.fromisoformat(body[name])
        self.assertNotIn("exc_info", body)
        self.assertIn("calld.unavailable: no luck", seen["/bad"][2]["exc_info"])
        self.assertEqual(seen["/ping"][0], "GET")

    def test_a_retried_job_tells_nothing_yet_and_a_dead_receiver_delays_nothing(self):
        dead = json.dumps([self.hook("", "finished", url="http://127.0.0.1:1/x"), self.hook("/f", "failed")])
        job = self.waiting("calld.fail", "x", retry=Retry(max=1), fields={"webhooks": dead})
        after = self.waiting("calld.add", 1, 1, fields={"webhooks": dead})
        worker = self.worker()
        self.ends(job, "failed")
        self.ends(after, "finished")
        until(lambda: "its webhook was not delivered" in worker.said(), what="the line in the log")
        until(lambda: self.receiver.seen, what="the other one")
        self.assertEqual([entry[1] for entry in self.receiver.seen], ["/f"])  # not for the first try

    if VERSION >= (2, 10):
        def test_python_asks_for_them(self):
            self.worker()
            self.queue.enqueue("calld.add", 1, 1,
                               webhooks=[rq.Webhook(self.base + "/w", "finished", method="POST")])
            until(lambda: self.receiver.seen, what="the request")
            self.assertEqual(self.receiver.seen[0][3]["status"], "finished")


class Commands(Features):
    def test_kill_horse_ends_the_job_and_its_retry_runs(self):
        self.worker()
        job = self.queue.enqueue("calld.sleep", 60, retry=Retry(max=1))
        self.starts(job)
        self.redis.publish("rq:pubsub:cpp", json.dumps({"command": "kill-horse"}))
        until(lambda: self.field(job, "retries_left") == b"0", what="the retry")
        self.starts(job)
        self.redis.publish("rq:pubsub:cpp", json.dumps({"command": "kill-horse"}))
        self.ends(job, "failed")
        self.assertIn("Work-horse terminated unexpectedly", self.failure_text(job))

    def test_a_stop_for_another_job_or_run_is_not_ours(self):
        worker = self.worker()
        job = self.queue.enqueue("calld.sleep", 1.5)
        self.starts(job)
        for command in ({"command": "stop-job", "job_id": "other"},
                        {"command": "stop-execution", "job_id": job.id, "execution_id": "0" * 32},
                        {"command": "dance"}, [], 7, {"command": {}}, {"job_id": []}):
            self.redis.publish("rq:pubsub:cpp", json.dumps(command))
        self.redis.publish("rq:pubsub:cpp", b"\xff{")
        self.ends(job, "finished")
        self.assertIsNone(worker.process.poll())

    def test_an_operator_suspends_and_ends_workers(self):
        worker = self.worker()
        self.cpp("suspend")
        job = self.queue.enqueue("calld.add", 1, 1)
        until(lambda: self.redis.hget("rq:worker:cpp", "state") == b"suspended")
        self.assertIs(self.cpp("resume"), True)
        self.ends(job, "finished")
        self.cpp("shut_down", "cpp")
        self.assertEqual(worker.wait(), 0)


class Dependents(Features):
    def test_a_cancelled_job_can_release_them(self):
        first = self.queue.enqueue("calld.add", 1, 1)
        second = self.queue.enqueue("calld.add", 2, 2, depends_on=first)
        kept = self.queue.enqueue("calld.sleep", 0)
        third = self.queue.enqueue("calld.add", 3, 3, depends_on=kept)
        self.cpp("cancel_releasing", first.id)
        self.assertEqual(status_of(second), "queued")
        self.cpp("cancel", kept.id)
        self.assertEqual(status_of(third), "deferred")
        self.worker()
        self.ends(second, "finished")

    def test_ours_wait_for_pythons_and_pythons_for_ours(self):
        first = self.queue.enqueue("tasks.add", 1, 1)
        ours = self.cpp("enqueue", "native", "calld.add", "[2,2]", depends=first.id)
        our_job = Job.fetch(ours["id"], connection=self.redis)
        self.assertEqual(status_of(our_job), "deferred")
        last = self.queue.enqueue("tasks.add", 3, 3, depends_on=our_job)
        self.worker("native")
        self.python_works()
        self.ends(our_job, "finished")
        self.python_works()
        self.ends(last, "finished")

    def test_failed_and_missing_dependencies(self):
        failed = self.queue.enqueue("calld.fail", "x")
        self.worker()
        self.ends(failed, "failed")
        waits = self.cpp("enqueue", "default", "calld.add", "[1,1]", depends=failed.id)
        runs = self.cpp("enqueue", "default", "calld.add", "[1,1]", depends=f"{failed.id},nobody", allow_failure=1)
        self.ends(Job.fetch(runs["id"], connection=self.redis), "finished")
        self.assertEqual(DeferredJobRegistry(queue=self.queue).get_job_ids(), [waits["id"]])

    def test_a_dependent_that_everybody_forgot_is_found(self):
        first = self.queue.enqueue("calld.add", 1, 1)
        second = self.queue.enqueue("calld.add", 2, 2, depends_on=first)
        self.queue.empty()
        self.redis.hset(f"rq:job:{first.id}", mapping={
            "data": b"x", "status": "finished", "ended_at": "2026-01-01T00:00:00.000000Z"})
        self.worker()
        self.ends(second, "finished")


class Enqueueing(Features):
    def test_unique_at_front_scheduled_and_in_a_group(self):
        if VERSION >= (2, 0):
            from rq.group import Group
            a = self.cpp("enqueue", "default", "calld.add", "[1,1]", group="g")
            b = self.cpp("enqueue", "default", "calld.add", "[1,1]", group="g", front=1)
            jobs = Group.fetch("g", self.redis).get_jobs()
            self.assertEqual({job.id for job in jobs}, {a["id"], b["id"]})
            self.assertEqual(self.queue.job_ids, [b["id"], a["id"]])
        later = self.cpp("enqueue", "default", "calld.add", "[1,1]", id="later", unique=1, **{"in": 1})
        again = self.cpp("enqueue", "default", "calld.add", "[1,1]", id="later", unique=1, **{"in": 1})
        self.assertEqual((later["created"], again["created"]), (True, False))
        self.worker()
        self.ends(Job.fetch("later", connection=self.redis), "finished")

    if VERSION >= (2, 0):
        def test_a_group_forgets_jobs_that_leave_nothing(self):
            from rq.group import Group
            group = Group.create(connection=self.redis)
            group.enqueue_many(self.queue, [rq.Queue.prepare_data("calld.add", [1, 1], result_ttl=0),
                                            rq.Queue.prepare_data("calld.add", [1, 1], result_ttl=1)])
            self.worker()
            until(lambda: not self.redis.exists(f"rq:group:{group.name}"), what="the group being empty")
            until(lambda: not self.redis.smembers("rq:groups"), what="the group being forgotten")

    def test_a_running_job_is_not_overwritten(self):
        self.worker()
        self.cpp("enqueue", "default", "calld.sleep", "[60]", id="same")
        self.starts(Job.fetch("same", connection=self.redis))
        refused = self.cpp_fails("enqueue", "default", "calld.sleep", "[60]", "id=same")
        self.assertIn("(conflict)", refused)
        self.assertIn("(conflict)", self.cpp_fails("remove", "same"))

    def test_remove_leaves_nothing(self):
        job = self.waiting("calld.add", 1, 1)
        self.cpp("remove", job.id)
        self.assertEqual((self.queue.count, self.left_over_keys()), (0, []))

    def test_json_for_pythons_json_workers(self):
        made = self.cpp("enqueue", "default", "tasks.shout", '["hey"]', serializer="json", meta='{"a": 1}')
        self.rq_command("worker", "--burst", "--serializer", "rq.serializers.JSONSerializer", "default")
        job = Job.fetch(made["id"], connection=self.redis, serializer=JSONSerializer)
        self.assertEqual((status_of(job), job.return_value(), job.meta), ("finished", "HEY", {"a": 1}))


class RoundTrips(Features):
    def test_a_busy_slot_pays_one_round_trip_a_job(self):
        count = 300
        jobs = [self.queue.enqueue("calld.noop", n) for n in range(count)]
        self.redis.config_resetstat()
        worker = self.worker(beat=1000)
        self.ends(jobs[-1], "finished")
        stats = self.redis.info("commandstats")
        turns = stats["cmdstat_evalsha"]["calls"]
        self.assertLess(turns, count * 1.1 + 20)  # heartbeats and maintenance beside them
        self.assertIsNone(worker.process.poll())


class Registered(Features):
    def test_several_slots_are_several_workers(self):
        self.worker(concurrency=3)
        self.assertEqual(sorted(w.name for w in Worker.all(connection=self.redis)), ["cpp.1", "cpp.2", "cpp.3"])
        begun = time.monotonic()
        jobs = [self.queue.enqueue("calld.sleep", 1) for _ in range(3)]
        until(lambda: all(status_of(job) == "started" for job in jobs), what="all three running at once")
        for job in jobs:
            self.ends(job, "finished")
        self.assertGreater(time.monotonic() - begun, 0.9)
