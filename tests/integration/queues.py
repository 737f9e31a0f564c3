"""callctl queue, job and worker with the real programs: what an operator sees and does.

    python3 tests/integration/queues.py build/release/bin [TestClass.test_name]
"""
import csv
import io
import json
import sys
import unittest

from harness import System, wait_for

BIN = None


class Queues(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System(BIN, "")
        cls.system.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.system.__exit__()

    def setUp(self):
        self.system.callctl("worker", "resume")

    def ctl(self, *words, **options):
        return self.system.callctl(*words, **options)

    def json(self, *words, **options):
        return self.system.json(*words, **options)

    def items(self, *words):
        return self.json(*words)["items"]

    def enqueue(self, *words):
        return self.json("job", "enqueue", *words)["id"]

    def fails(self, *words, code, says, **options):
        run = self.system.callctl_run(*words, **options)
        self.assertEqual((run.returncode, run.stdout), (code, ""), run.stderr)
        self.assertIn(says, run.stderr)

    def until_status(self, job, status):
        wait_for(lambda: self.json("job", "show", job)["status"] == status, 20, f"{job} being {status}")

    def test_enqueue_and_wait(self):
        job = self.json("job", "enqueue", "default", "calld.noop", "1", "two", '{"a":3}', '"4"', "--kwarg", "five=5", "--wait")
        self.assertEqual((job["status"], job["result"], job["kwargs"]), ("finished", [1, "two", {"a": 3}, "4"], {"five": 5}))
        self.assertEqual((job["queue"], job["function"], job["timeout_s"]), ("default", "calld.noop", 180))
        failed = self.system.callctl_run("-o", "json", "job", "enqueue", "default", "no.such", "--wait")
        self.assertEqual(failed.returncode, 1)
        self.assertIn("Invalid attribute name: no.such", json.loads(failed.stdout)["error"])
        negative = self.json("job", "enqueue", "default", "calld.noop", "--wait", "--", "-1", "--text")
        self.assertEqual(negative["result"], [-1, "--text"])

    def test_lists_as_arguments(self):
        job = self.json("job", "enqueue", "default", "calld.noop", "[1,2]", '["a, b", [], {"c": [null]}]', "[]", "[text]",
                        "--description", "[x]", "--kwarg", "list=[3]", "--wait")
        self.assertEqual(job["result"], [[1, 2], ["a, b", [], {"c": [None]}], [], "[text]"])
        self.assertEqual((job["kwargs"], job["description"]), ({"list": [3]}, "[x]"))

    def test_options_of_a_job(self):
        first = self.enqueue("asleep", "f", "--timeout", "-1", "--ttl", "1h", "--result-ttl", "2m", "--retries", "3",
                             "--retry-interval", "10s", "--description", "שלום")
        seen = self.json("job", "show", first)
        self.assertEqual((seen["timeout_s"], seen["result_ttl_s"], seen["retries_left"], seen["description"]),
                         (-1, 120, 3, "שלום"))
        dependent = self.enqueue("asleep", "f", "--depends-on", first)
        seen = self.json("job", "show", dependent)
        self.assertEqual((seen["status"], seen["depends_on"]), ("deferred", [first]))
        later = self.enqueue("asleep", "f", "--in", "1h", "--id", "later")
        self.assertEqual((later, self.json("job", "show", later)["status"]), ("later", "scheduled"))
        again = self.json("job", "enqueue", "asleep", "f", "--id", "later", "--unique")
        self.assertEqual(again["created"], False)
        self.ctl("queue", "purge", "asleep", "--confirm", "asleep")
        for row in self.items("job", "ls", "--queue", "asleep"):
            self.ctl("job", "delete", row["id"], "--confirm", row["id"])

    def test_what_is_wrong_is_said(self):
        self.fails("job", "enqueue", "default", "f", "--kwarg", "novalue", code=2, says="is not NAME=VALUE")
        self.fails("job", "enqueue", "default", "f", "--timeout", "long", code=2, says="--timeout 'long' is no time")
        self.fails("job", "enqueue", "default", "f", "--at", "tomorrow", code=2, says="--at 'tomorrow' is no time")
        self.fails("job", "enqueue", "default", "f", "--unique", code=2, says="--unique needs the --id")
        self.fails("job", "enqueue", "default", "f", "--id", "a:b", code=2, says='the job id "a:b"')
        self.fails("job", "enqueue", "a,b", "f", code=2, says="a queue needs a name without commas")
        self.fails("job", "show", "nobody", code=3, says="there is no job nobody")
        self.fails("queue", "show", "nowhere", code=3, says="there is no queue 'nowhere'")
        self.fails("queue", "show", "default", "--set", "wip", code=2, says="'wip' is no set of jobs")
        self.fails("queue", "purge", "default", "--set", "started", "--confirm", "default", code=2, says="stop them")
        self.fails("worker", "stop", "nobody", code=3, says="there is no worker nobody")
        self.fails("worker", "suspend", "--for", "x", code=2, says="--for 'x' is no time")
        self.fails("queue", "ls", code=69, says="Redis", env={"CALLD_REDIS_URL": "redis://127.0.0.1:1/0"})

    def test_failures_by_reason_and_back(self):
        queue = "failures"
        self.ctl("worker", "suspend", "--confirm", "all")
        jobs = [self.enqueue("default", f"missing.{'ab'[n % 2]}", str(n)) for n in range(6)]
        self.ctl("worker", "resume")
        for job in jobs:
            self.until_status(job, "failed")
        groups = [g for g in self.items("queue", "show", "default", "--by-reason") if g["function"].startswith("missing.")]
        self.assertEqual(sorted((g["jobs"], g["function"], g["reason"]) for g in groups),
                         [(3, "missing.a", "ValueError: Invalid attribute name: missing.a"),
                          (3, "missing.b", "ValueError: Invalid attribute name: missing.b")])
        self.assertTrue(all(g["newest_job"] in jobs and g["newest"].endswith("Z") for g in groups))

        self.ctl("worker", "suspend", "--for", "10m", "--confirm", "all")
        self.fails("queue", "requeue", "default", "--function", "missing.a", code=2, says="add --confirm=default")
        self.fails("queue", "requeue", "default", "--confirm", queue, code=2, says="--confirm names 'failures'")
        self.ctl("queue", "requeue", "default", "--function", "missing.a", "--confirm", "default")
        waiting = self.items("queue", "show", "default")
        self.assertEqual(sorted(row["id"] for row in waiting), sorted(jobs[::2]))
        self.ctl("queue", "requeue", "default", "--reason", "name: missing.b", "--confirm", "default")
        self.assertEqual(len(self.items("queue", "show", "default")), 6)
        self.ctl("queue", "purge", "default", "--confirm", "default")
        self.assertEqual(self.items("queue", "show", "default"), [])
        self.fails("job", "show", jobs[0], code=3, says="there is no job")

    def test_one_job_canceled_requeued_deleted(self):
        self.ctl("worker", "suspend", "--confirm", "all")
        job = self.enqueue("default", "calld.noop")
        row = next(q for q in self.items("queue", "ls") if q["name"] == "default")
        self.assertEqual((row["queued"], row["oldest_s"] >= 0), (1, True))
        self.ctl("job", "cancel", job)
        self.fails("job", "cancel", job, code=1, says="only waiting jobs are canceled")
        self.assertEqual([r["id"] for r in self.items("job", "ls", "--set", "canceled")], [job])
        self.ctl("job", "requeue", job)
        self.assertEqual([r["id"] for r in self.items("job", "ls", "--set", "queued", "--function", "calld.noop")], [job])
        self.fails("job", "stop", job, code=1, says="not running")
        self.fails("job", "delete", job, code=2, says=f"add --confirm={job}")
        self.ctl("job", "delete", job, "--confirm", job)
        self.fails("job", "delete", job, "--confirm", job, code=3, says="there is no job")

    def test_workers(self):
        # Another test may just have resumed them.
        wait_for(lambda: {w["state"] for w in self.items("worker", "ls")} == {"idle"}, 20, "all being idle")
        workers = self.items("worker", "ls")
        self.assertGreaterEqual(len(workers), 2)
        self.assertTrue(all("default" in w["queues"] and w["version"] and w["heartbeat_s"] is not None for w in workers))
        run = self.system.callctl_run("worker", "suspend", "--confirm", "all")
        self.assertIn("until callctl worker resume", run.stderr)
        self.assertIn("all workers are suspended", self.system.callctl_run("queue", "ls").stderr)
        wait_for(lambda: {w["state"] for w in self.items("worker", "ls")} == {"suspended"}, 20, "all being suspended")
        self.ctl("worker", "resume")
        name = workers[0]["name"]
        self.ctl("worker", "stop", name)
        wait_for(lambda: name not in {w["name"] for w in self.items("worker", "ls")}, 20, f"the end of {name}")

    def test_every_format(self):
        self.enqueue("asleep", "f", "=1+1", "a\nb")
        table = self.ctl("queue", "show", "asleep")
        self.assertEqual(table.splitlines()[0].split()[:3], ["JOB", "STATUS", "QUEUE"])
        rows = list(csv.DictReader(io.StringIO(self.ctl("-o", "csv", "queue", "show", "asleep"))))
        lines = [json.loads(line) for line in self.ctl("-o", "ndjson", "queue", "show", "asleep").splitlines()]
        self.assertEqual([r["id"] for r in rows], [r["id"] for r in lines])
        self.assertEqual(lines[0]["args"], ["=1+1", "a\nb"])
        self.assertEqual(self.json("queue", "ls")["version"], 1)
        self.ctl("queue", "purge", "asleep", "--confirm", "asleep")


if __name__ == "__main__":
    BIN = sys.argv.pop(1)
    unittest.main(verbosity=2)
