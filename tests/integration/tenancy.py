"""Every command of callctl with the identifiers of another tenant: what is another's does not exist (exit 3), and what
lists things lists none of them. A command that is new must be entered here, or the test fails.
"""
import json
import re
import sys
import unittest

from harness import ROOT, System

CALLERS = """
[defaults]
ring_s = 0.5
voice = "rms"
lines = ["Yes."]
"""

NOT_FOUND = 3
# command -> (arguments, exit code). LIST, ENTRY, ATTEMPT, CALL, TOKEN are the owner's.
WALK = {
    "list ls": ([], 0),
    "list show": (["LIST"], NOT_FOUND),
    "list create": (["mine", "FILE", "--from", "+14155550100", "--policy", "theirs"], NOT_FOUND),
    "list append": (["LIST", "FILE"], NOT_FOUND),
    "list start": (["LIST", "--confirm", "theirs"], NOT_FOUND),
    "list set": (["LIST", "--priority", "1"], NOT_FOUND),
    "list pause": (["LIST"], NOT_FOUND),
    "list resume": (["LIST"], NOT_FOUND),
    "list cancel": (["LIST", "--confirm", "theirs"], NOT_FOUND),
    "list entries": (["LIST"], NOT_FOUND),
    "list export": (["LIST"], NOT_FOUND),
    "list explain": (["ENTRY"], NOT_FOUND),
    "list watch": (["LIST", "--timeout", "1"], NOT_FOUND),
    "list wait": (["LIST", "--timeout", "1"], NOT_FOUND),
    "call ls": ([], 0),
    "call show": (["ATTEMPT"], NOT_FOUND),
    "call replay": (["ATTEMPT"], NOT_FOUND),
    "report call": (["ATTEMPT"], NOT_FOUND),
    "report list": (["LIST"], NOT_FOUND),
    "attempt ls": ([], 0),
    "attempt show": (["ATTEMPT"], NOT_FOUND),
    "attempt resolve": (["ATTEMPT", "--as", "give-up"], NOT_FOUND),
    "policy ls": ([], 0),
    "policy show": (["theirs"], NOT_FOUND),
    "policy rm": (["theirs"], NOT_FOUND),
    "caller ls": ([], 0),
    "caller rm": (["theirs", "--all"], NOT_FOUND),
    "dnc ls": ([], 0),
    "dnc rm": (["+14155550188", "--confirm", "+14155550188"], NOT_FOUND),
    "token ls": ([], 0),
    "token revoke": (["TOKEN"], NOT_FOUND),
}
# The same commands with a thing of one's own and another's beside it; OWN is the stranger's list.
MORE = [
    ("list create", ["mine", "FILE", "--from-pool", "theirs"], NOT_FOUND),
    ("list set", ["OWN", "--policy", "theirs"], NOT_FOUND),
    ("tenant set", ["stranger", "--policy", "theirs"], NOT_FOUND),
]
# These look at the whole system, whatever --tenant says, as callctl(1) states: whoever runs callctl operates it.
OPERATORS = {"queue", "job", "worker", "cleanup", "db", "tenant", "log-level", "doctor", "top"}
# What needs no system, or makes something new of the caller's own.
OWN_THINGS = re.compile(r"completion|policy (presets|preset|set)|caller add|dnc (add|import)|token create")


class Tenancy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System(sys.argv[1], CALLERS).__enter__()
        cls.addClassCleanup(cls.system.__exit__)
        run = cls.system.callctl
        cls.file = cls.system.dir / "people.csv"
        cls.file.write_text("phone,name\n+14155550123,Dana\n")
        run("policy", "set", "theirs", "-", stdin="")
        run("caller", "add", "theirs", "+14155550100")
        run("dnc", "add", "+14155550188")
        run("list", "create", "theirs", cls.file, "--from", "+14155550100")
        run("list", "start", "theirs", "--confirm", "theirs")
        run("list", "wait", "theirs", "--timeout", "120")
        run("token", "create", "theirs")
        run("tenant", "create", "stranger")
        run("--tenant", "stranger", "list", "create", "own", cls.file, "--from", "+14155550100")
        attempts = cls.system.json("attempt", "ls")["items"]
        cls.owned = {
            "LIST": str(cls.system.json("list", "show", "theirs")["id"]),
            "ENTRY": str(cls.system.json("list", "entries", "theirs")["items"][0]["id"]),
            "ATTEMPT": attempts[0]["id"],
            "TOKEN": str(cls.system.json("token", "ls")["items"][0]["id"]),
            "FILE": str(cls.file),
            "OWN": "own",
        }

    def test_every_command_is_walked(self):
        for command in self.system.commands():
            if OWN_THINGS.fullmatch(command) or command.split()[0] in OPERATORS:
                continue
            with self.subTest(command):
                self.assertIn(command, WALK, "a new command: say in WALK what a stranger is told")

    def test_what_operators_see_is_of_all_tenants_and_the_manual_says_so(self):
        page = (ROOT / "man/callctl.1").read_text()
        paragraph = re.search(r"^\.It Fl -tenant.*?^\.It", page, re.M | re.S).group(0)
        for group in OPERATORS:
            self.assertRegex(paragraph, rf"(?m)^\.Cm {group}\b")
        jobs = self.system.json("job", "ls", "--set", "finished", "--function", "calld.dial_list")["items"]
        self.system.callctl("--tenant", "stranger", "job", "show", jobs[0]["id"])

    def test_another_tenants_things_do_not_exist(self):
        before = self.system.callctl("-o", "json", "list", "show", "theirs")
        asked = [(command, *rest) for command, rest in WALK.items()] + MORE
        for command, words, code in asked:
            with self.subTest(command):
                words = [self.owned.get(word, word) for word in words]
                form = [] if command.startswith("report ") else ["-o", "json"]  # a report is a page
                out = self.system.callctl(*form, "--tenant", "stranger", *command.split(), *words, code=code)
                if code == 0:
                    self.assertLessEqual({item["name"] for item in json.loads(out)["items"]}, {"own"})
        own = self.system.callctl("-o", "json", "--tenant", "stranger", "list", "show", "own")
        self.assertEqual(json.loads(own)["policy"], "")
        after = self.system.callctl("-o", "json", "list", "show", "theirs")
        self.assertEqual([line for line in before.splitlines() if '"state"' in line or '"priority"' in line],
                         [line for line in after.splitlines() if '"state"' in line or '"priority"' in line])

    def test_an_unknown_tenant_is_never_the_first_one(self):
        self.system.callctl("--tenant", "nobody", "list", "ls", code=NOT_FOUND)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
