"""The EXAMPLES of every page of callctl, run as they stand there, in a shell, against a real system.

    python3 tests/integration/examples.py build/release/bin
"""
import os
import pathlib
import re
import subprocess
import sys
import unittest

from harness import ROOT, System, wait_for

CALLERS = """
[defaults]
ring_s = 0.3
voice = "rms"
lines = ["Yes.", "Five.", "No."]
"""
# One makes what the next one needs.
ORDER = ["caller", "list", "", "call", "report", "attempt", "dnc", "job", "queue", "cleanup", "db", "log-level", "tenant",
         "token", "top", "policy", "worker", "doctor", "completion"]
# Ids that the pages give as an example.
AN_ATTEMPT = "0b5f7b0c-2f6e-4f57-9d1b-6f3c2a1e9d10"
A_JOB = "0f4e7a6c-6f0e-4c0b-9a0e-0a5f3f1f2f11"
# What ends otherwise than with 0 here, or not at all, and why.
ENDS = {
    "doctor": (0, 1),  # a system for trying things out has findings
    "top": (124,),     # it goes on until it is told to end
}
NOT_HERE = (
    "/etc/", "/usr/local/",  # not in this machine's configuration
    "source <(callctl completion zsh)", "completion fish",  # not in bash; scripts.py tries all three
)


def page(group):
    return ROOT / "man" / (f"callctl-{group}.1" if group else "callctl.1")


def examples(text):
    """Commands: a line of .Dl, or all lines of a display, which belong together."""
    section = re.search(r"^\.Sh EXAMPLES\n(.*?)^\.Sh ", text, re.M | re.S)
    found, display = [], None
    for line in (section.group(1) if section else "").splitlines():
        line = line.replace("\\e", "\\").replace("\\-", "-")
        if line.startswith(".Bd"):
            display = []
        elif line.startswith(".Ed"):
            found.append("\n".join(display))
            display = None
        elif display is not None:
            display.append(line)
        elif line.startswith(".Dl "):
            found.append(line.removeprefix(".Dl "))
    return found


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System(sys.argv[1], CALLERS).__enter__()
        cls.addClassCleanup(cls.system.__exit__)
        cls.system.write("people.csv", "phone,name\n+12125550101,Dana\n")
        cls.system.write("registry.txt", "212-555-0188\n")
        run = cls.system.callctl
        run("job", "enqueue", "default", "no.such", "--id", A_JOB, "--wait", code=1)
        cls.bin = pathlib.Path(sys.argv[1]).resolve()
        cls.env = {**cls.system.env, "CALLD_CONFIG": str(cls.system.state / "calld.toml"),
                   "PATH": f"{cls.bin}:{os.environ['PATH']}"}

    def real_ids(self, text):
        if AN_ATTEMPT in text:
            attempt = self.system.json("attempt", "ls")["items"][0]["id"]
            url = re.search(r'"(postgres[^"]*)"', (self.system.state / "calld.toml").read_text()).group(1)
            subprocess.run(["psql", "-q", url, "-c", f"UPDATE attempts SET state = 'abandoned' WHERE id = '{attempt}'"],
                           check=True)
            text = text.replace(AN_ATTEMPT, attempt)
        return text

    def run_example(self, group, text):
        lines = [line for line in text.splitlines() if not any(word in line for word in NOT_HERE)]
        text = self.real_ids("\n".join(lines))
        limit = "3" if group == "top" else "120"
        run = subprocess.run(["timeout", limit, "bash", "-ec", text], env=self.env, cwd=self.system.dir,
                             capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        self.assertIn(run.returncode, ENDS.get(group, (0,)), f"{text}\n{run.stdout}{run.stderr}\n{self.system.logs()}")
        self.assertNotIn("command not found", run.stderr)

    def test_the_examples_of_every_page_run(self):
        groups = {p.stem.removeprefix("callctl").removeprefix("-") for p in (ROOT / "man").glob("callctl*.1")}
        self.assertEqual(groups, set(ORDER), "a new page: say in ORDER when its examples run")
        for group in ORDER:
            found = examples(page(group).read_text())
            with self.subTest(page(group).name):
                self.assertTrue(found, "it has no example")
            for text in found:
                with self.subTest(text):
                    self.run_example(group, text)
            if group == "list":  # the conversations that the pages after it show
                self.system.callctl("list", "start", "spring", "--confirm", "spring")
                self.system.callctl("list", "wait", "spring", "--timeout", "120")
                wait_for(lambda: self.system.json("call", "ls", "--list", "spring")["items"], 30, "a call record")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
