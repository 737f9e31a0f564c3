"""What docs/howto says, done: the page about Python's RQ is followed word for word with a real rq, its files are written, its
commands run in the order of the page; the script that the page about cron has runs twice at once, and once more.
What is changed: addresses and directories, and systemd, which is not here.

    python3 tests/integration/howto.py build/release/bin build/release/interop
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib
import unittest

from harness import ROOT, System, wait_for

sys.path.append(str(ROOT / "tests/interop"))
import environment  # noqa: E402: beside another test

HOWTO = ROOT / "docs/howto"
CALLERS = """
[defaults]
ring_s = 0.3
voice = "rms"
lines = ["Yes.", "Five.", "No."]
"""
REDIS = "redis://127.0.0.1:6379/0"
VERSIONS = ("1.13.0", "2.12.0")


def blocks(text):
    """(language, file name or empty, contents) of each fenced block."""
    return re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", text, re.M | re.S)


def settings(text):
    """The environment that says what the TOML of the page says."""
    env = {}
    for section, keys in tomllib.loads(text).items():
        for key, value in keys.items():
            env[f"CALLD_{section}_{key}".upper()] = ",".join(value) if isinstance(value, list) else str(value)
    return env


class PythonRq(unittest.TestCase):
    def follow(self, version):
        page = blocks((HOWTO / "python-rq.md").read_text())
        python = environment.python_with_rq(version, sys.argv[2])
        tomls = "".join(text for language, _, text in page if language == "toml" and REDIS not in text)
        with System(sys.argv[1], CALLERS, settings(tomls)) as system:
            url = re.search(r'"(redis[^"]*)"', (system.state / "calld.toml").read_text()).group(1)
            system.write("rest.csv", "phone,name\n+12125550101,Dana\n")
            env = {**system.env, "CALLD_CONFIG": str(system.state / "calld.toml"),
                   "PATH": f"{pathlib.Path(sys.argv[1]).resolve()}:{python.parent}:{os.environ['PATH']}"}
            script = ""
            for language, name, text in page:
                if language == "python":
                    path = system.dir / pathlib.Path(name).name
                    path.write_text(text)
                elif language == "sh":
                    script += text.replace(REDIS, url).replace("sudo systemctl restart calld.target\n", "")
            # The application as it was before: its worker, and somebody who was not called yet.
            before = {**env, "RQ_REDIS_URL": url}
            with Worker(python, system.dir, before):
                wait_for(lambda: system.json("worker", "ls")["items"], 30, "Python's worker is there")
                system.callctl("job", "enqueue", "dialer", "jobs.add", "1", "2", "--in", "1h")
                run = subprocess.run(["timeout", "200", "bash", "-exc", script], env=env, cwd=system.dir, text=True,
                                     capture_output=True, check=False, stdin=subprocess.DEVNULL)
                self.assertEqual(run.returncode, 0, f"{run.stdout}\n{run.stderr}\n{system.logs()}")
                self.says(system, run.stdout, run.stderr)
                self.a_pickled_object_is_named(system, python, before)

    def says(self, system, out, err):
        """What the page promises of its commands."""
        self.assertIn("[1, 'two']", out)
        self.assertRegex(out, r"(?m)^result +5$", "Python's worker did calld's job")
        self.assertIn("default", out.split("both_ways")[0], "callctl and rq info show Python's queue")
        self.assertEqual(system.json("list", "show", "old-campaign")["outcomes"]["completed"], 1)
        finished = system.json("queue", "show", "nightly", "--set", "finished")["items"]
        self.assertEqual([job["function"] for job in finished], ["jobs.add"], err)

    def a_pickled_object_is_named(self, system, python, env):
        code = ("import os, fractions, redis, rq; q = rq.Queue('dial', connection=redis.Redis.from_url(os.environ['RQ_REDIS_URL'])); "
                "print(q.enqueue('calld.noop', fractions.Fraction(1, 2)).id)")
        job = subprocess.run([python, "-c", code], env=env, capture_output=True, text=True, check=True).stdout.strip()
        wait_for(lambda: system.json("job", "show", job)["status"] == "failed", 30, "the job fails")
        self.assertIn("fractions.Fraction", system.json("job", "show", job)["error"])

    def test_it_works_as_it_stands(self):
        for version in VERSIONS:
            with self.subTest(f"rq {version}"):
                self.follow(version)


class Cron(unittest.TestCase):
    def test_the_script_may_overlap_and_be_repeated(self):
        (_, _, script), = [block for block in blocks((HOWTO / "cron.md").read_text()) if block[1] == "morning-news"]
        with System(sys.argv[1], CALLERS) as system:
            program = system.write("morning-news", script.replace("/var/lib/calld", str(system.dir)))
            program.chmod(0o755)
            (system.dir / "campaigns").mkdir()
            system.write("campaigns/news.csv", "phone,name\n+12125550101,Dana\n+12125550102,Noa\n")
            env = {**system.env, "CALLD_CONFIG": str(system.state / "calld.toml"),
                   "PATH": f"{pathlib.Path(sys.argv[1]).resolve()}:{os.environ['PATH']}"}
            runs = [subprocess.Popen([program], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                    for _ in range(2)]
            for run in runs:
                out, err = run.communicate(timeout=200)
                self.assertEqual((run.returncode, out, err), (0, "", ""), system.logs())
            again = subprocess.run([program], env=env, capture_output=True, text=True, timeout=200, check=False)
            self.assertEqual((again.returncode, again.stdout, again.stderr), (0, "", ""))
            ends = [json.loads(line) for line in (system.dir / "news.jsonl").read_text().splitlines()]
            self.assertEqual([(end["state"], end["outcomes"]["completed"]) for end in ends], [("completed", 2)] * 3)
            self.assertEqual(len(system.json("attempt", "ls")["items"]), 2, "each was called once")


class Worker:
    """`rq worker dialer default`, as the application runs it."""

    def __init__(self, python, directory, env):
        self.command = [python.parent / "rq", "worker", "dialer", "default"]
        self.directory, self.env = directory, env

    def __enter__(self):
        self.log = open(self.directory / "rq.log", "wb")
        self.process = subprocess.Popen(self.command, cwd=self.directory, env=self.env, stdout=self.log, stderr=self.log)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
