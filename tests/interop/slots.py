"""Several jobs in one process: each slot is a worker to RQ, and no job stands in another one's way."""

import datetime
import time
import unittest

from rq.worker import Worker

from fixture import Suite, status_of
from servers import until


class Slots(Suite):
    def states(self):
        return sorted(w.get_state() for w in Worker.all(connection=self.redis))

    def heartbeat_age(self, name):
        beat = self.redis.hget(f"rq:worker:{name}", "last_heartbeat").decode().rstrip("Z")
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        return (now - datetime.datetime.fromisoformat(beat)).total_seconds()

    def test_each_slot_is_a_worker_to_rq(self):
        self.worker(concurrency=8)
        self.assertEqual(self.rq_command("info").count(": idle default"), 8)
        jobs = [self.queue.enqueue("calld.sleep", 60) for _ in range(3)]
        for job in jobs:
            self.starts(job)
        shown = self.rq_command("info")
        self.assertEqual((shown.count(": busy default"), shown.count(": idle default")), (3, 5))
        self.assertIn("8 workers", shown)
        busy = [w for w in Worker.all(connection=self.redis) if w.get_state() == "busy"]
        self.assertEqual({w.get_current_job_id() for w in busy}, {job.id for job in jobs})

    def test_a_blocked_function_delays_neither_heartbeats_nor_other_jobs(self):
        self.worker(concurrency=2, lease=3)
        blocked = self.queue.enqueue("calld.stubborn", 6)
        self.starts(blocked)
        ages, done = [], 0
        while status_of(blocked) == "started":
            others = [self.queue.enqueue("calld.noop", n) for n in range(20)]
            for job in others:
                self.ends(job, "finished")
            done += len(others)
            ages += [self.heartbeat_age("cpp.1"), self.heartbeat_age("cpp.2")]
            time.sleep(0.05)
        self.assertEqual(status_of(blocked), "finished")  # though it ran for two leases
        self.assertGreater(done, 100)
        self.assertLess(max(ages), 3)
        self.assertEqual(self.redis.xlen(f"rq:results:{blocked.id}"), 1)

    def test_draining_ends_short_jobs_and_gives_the_others_back(self):
        worker = self.worker(concurrency=3, drain=1000)
        short = self.queue.enqueue("calld.sleep", 0.5)
        long = self.queue.enqueue("calld.sleep", 60)
        stubborn = self.queue.enqueue("calld.stubborn", 60)
        for job in (short, long, stubborn):
            self.starts(job)
        waiting = self.queue.enqueue("calld.noop", 1)
        worker.terminate()
        self.assertEqual(worker.wait(20), 1)  # 1: a function had to be left behind
        self.assertEqual([status_of(job) for job in (short, long, stubborn, waiting)],
                         ["finished", "queued", "queued", "queued"])
        self.assertEqual(set(self.queue.job_ids), {long.id, stubborn.id, waiting.id})
        self.assertEqual(self.queue.job_ids[-1], waiting.id)  # those given back come first
        self.assertEqual((self.redis.zcard("rq:wip:default"), Worker.all(connection=self.redis)), (0, []))

    def test_a_job_given_back_is_done_by_python(self):
        worker = self.worker(drain=100)
        job = self.queue.enqueue("tasks.nap", 0.1)  # here it is a long sleep
        self.starts(job)
        worker.terminate()
        self.assertEqual(worker.wait(20), 0)
        self.python_works()
        self.assertEqual((status_of(job), job.return_value()), ("finished", "python"))


if __name__ == "__main__":
    unittest.main()
