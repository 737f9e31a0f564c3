"""Runs the example of docs/queue.md word for word: Python enqueues, calld's worker runs a shell script.

    queue_page.py BIN_DIR ENVIRONMENTS
"""
import pathlib
import re
import subprocess
import sys
import unittest

from harness import ROOT, System

sys.path.insert(0, str(ROOT / "tests/interop"))
from environment import python_with_rq  # noqa: E402: beside another test

BIN, ENVIRONMENTS = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
PATH_IN_PAGE = "/usr/local/lib/reports/monthly"


def block(language):
    page = (ROOT / "docs/queue.md").read_text()
    [text] = re.findall(rf"^```{language}\n(.*?)^```$", page, flags=re.M | re.S)
    return text


class QueuePage(unittest.TestCase):
    def test_the_example_works_as_printed(self):
        python = python_with_rq("2.12.0", ENVIRONMENTS)
        settings = dict(re.findall(r'^"?([\w.]+)"? = (.*)$', block("toml"), flags=re.M))
        queues = ",".join(re.findall(r'"(.*?)"', settings["queues"]))
        target = settings["reports.monthly"].strip('"')
        self.assertEqual(target, f"exec:{PATH_IN_PAGE}")
        system = System(BIN, "")
        script = system.write("monthly", block("sh"))
        script.chmod(0o755)
        system.env["CALLD_WORKER_QUEUES"] = queues
        system.env["CALLD_WORKER_FUNCTIONS"] = f"reports.monthly=exec:{script}"
        with system:
            url = re.search(r'url = "(redis:[^"]*)"', (system.state / "calld.toml").read_text()).group(1)
            wait = "import time\nend = time.time() + 60\n" \
                   "while job.get_status(refresh=True) not in ('finished', 'failed') and time.time() < end: time.sleep(0.05)\n"

            def enqueue(text, show):
                code = f"REDIS_URL = {url!r}\n{text}{wait}print({show})"
                done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=120, check=False)
                self.assertEqual(done.returncode, 0, done.stderr + system.logs())
                return done.stdout.strip()
            shown = enqueue(block("python"), "job.return_value()")
            self.assertEqual(shown, "{'customer': 'acme', 'month': '2026-10', 'pages': 3}")
            self.assertIn(shown.replace("'", '"'), (ROOT / "docs/queue.md").read_text())
            failed = enqueue(block("python").replace("acme", "nobody"), "job.latest_result().exc_string")
            self.assertIn("there is no customer nobody\n", failed)
            self.assertEqual(failed.splitlines()[-1], f"calld.io: {script} exited with status 1")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
