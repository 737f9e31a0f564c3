"""What scripts, cron and people at a terminal rely on in callctl: exit codes, silence, colours, the pager, questions, and
the completion of the shells, each with the real program.

    python3 tests/integration/scripts.py build/release/bin [TestClass.test_name]
"""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import unittest

from harness import System, free_ports, wait_for
from terminal import Terminal

BIN = None
FROM = ("--from", "+14155550100")
SCRIPT = """
[defaults]
ring_s = 0.3
voice = "rms"
lines = ["Yes.", "Five.", "No."]
"""


class WithSystem(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System(BIN, SCRIPT).__enter__()
        cls.addClassCleanup(cls.system.__exit__)
        cls.env = {**cls.system.env, "CALLD_CONFIG": str(cls.system.state / "calld.toml"), "TERM": "xterm-256color",
                   "PATH": f"{BIN}:{os.environ['PATH']}"}
        for name in ("NO_COLOR", "PAGER", "CALLCTL_PAGER", "LESS"):
            cls.env.pop(name, None)
        rows = "".join(f"+1212555{n:04},Person {n}\n" for n in range(100, 160))
        cls.long = cls.system.write("long.csv", "phone,name\n" + rows)
        cls.short = cls.system.write("short.csv", "phone,name\n+12125550101,Dana\n")
        cls.system.callctl("list", "create", "long", cls.long, *FROM)
        cls.system.callctl("list", "create", "spring-survey", cls.short, *FROM)
        cls.system.callctl("job", "enqueue", "nightly", "f")

    def ctl(self, *words, **options):
        return self.system.callctl(*words, **options)

    def run_ctl(self, *words, **options):
        return self.system.callctl_run(*words, **options)

    def terminal(self, *words, rows=24, columns=100, **env):
        return Terminal([BIN / "callctl", *words], {**self.env, **env}, rows, columns)

    def shown(self, *words, **options):
        """All that a command writes on a terminal."""
        with self.terminal(*words, **options) as terminal:
            self.assertEqual(terminal.finish(), 0, terminal.text)
            return terminal.text

    def postgres(self, statement):
        url = next(line.split('"')[1] for line in (self.system.state / "calld.toml").read_text().splitlines()
                   if line.startswith("url") and "postgresql" in line)
        return subprocess.run(["psql", "-qAt", url, "-c", statement], check=True, capture_output=True, text=True).stdout


class People(WithSystem):
    """At a terminal."""

    def test_colours_only_where_they_are_wanted(self):
        bold = "\x1b[1m"
        self.assertIn(bold, self.shown("list", "ls"))
        self.assertIn(bold, self.shown("list", "ls", NO_COLOR=""), "an empty NO_COLOR says nothing")
        self.assertNotIn("\x1b", self.shown("list", "ls", "--no-color"))
        self.assertNotIn("\x1b", self.shown("list", "ls", NO_COLOR="1"))
        self.assertNotIn("\x1b", self.shown("list", "ls", TERM="dumb"))
        self.assertNotIn("\x1b", self.ctl("list", "ls"))

    def test_a_long_table_goes_through_the_pager(self):
        pager = "sed 's/^/paged: /'"
        text = self.shown("list", "entries", "long", PAGER=pager)
        self.assertEqual(text.count("paged: "), 61, text)
        self.assertIn("mine: ", self.shown("list", "entries", "long", PAGER=pager, CALLCTL_PAGER="sed 's/^/mine: /'"))
        for text in (self.shown("list", "entries", "long", "--no-pager", PAGER=pager),
                     self.shown("list", "entries", "long", PAGER=""),
                     self.shown("list", "entries", "long", PAGER="cat"),
                     self.shown("list", "entries", "long", PAGER="no-such-program"),
                     self.shown("list", "entries", "spring-survey", PAGER=pager),
                     self.shown("-o", "json", "list", "entries", "long", PAGER=pager)):
            self.assertNotIn("paged: ", text)
            self.assertTrue("Person 159" in text or "Dana" in text, text)

    def test_a_pager_that_is_left_early_is_no_failure(self):
        self.assertIn("ID", self.shown("list", "entries", "long", PAGER="head -n 1"))

    def test_dialing_asks_for_the_name(self):
        self.ctl("list", "create", "asked", self.short, *FROM)
        with self.terminal("list", "start", "asked") as terminal:
            terminal.until("Type its name to go on: ")
            terminal.type("askew\n")
            self.assertEqual(terminal.finish(), 1)
            self.assertIn("not confirmed, nothing was done", terminal.plain())
        self.assertEqual(self.system.json("list", "show", "asked")["state"], "draft")
        with self.terminal("list", "start", "asked") as terminal:
            terminal.until("Type its name to go on: ")
            terminal.type("asked\n")
            self.assertEqual(terminal.finish(), 0)
        self.assertNotEqual(self.system.json("list", "show", "asked")["state"], "draft")

    def test_no_input_never_asks(self):
        self.ctl("list", "create", "unasked", self.short, *FROM)
        with self.terminal("--no-input", "list", "start", "unasked") as terminal:
            self.assertEqual(terminal.finish(), 2)
            self.assertIn("add --confirm=unasked", terminal.plain())
            self.assertNotIn("Type its name", terminal.plain())

    def test_names_cannot_drive_the_terminal(self):
        nasty = self.system.write("nasty.csv", "phone,name\n+12125550199,\"\x1b]0;owned\x07\u009b2J\u202ename\"\n")
        self.ctl("list", "create", "nasty", nasty, *FROM)
        for words in (["list", "entries", "nasty"], ["-o", "json", "list", "entries", "nasty"],
                      ["-o", "csv", "list", "entries", "nasty"], ["list", "explain", "nasty/2"]):
            text = self.shown("--no-color", *words)
            for control in ("\x1b", "\x07", "\u009b", "\u202e"):
                self.assertNotIn(control, text)
            self.assertIn("owned", text)
        self.assertIn("\x1b]0;owned\x07", self.ctl("-o", "csv", "list", "entries", "nasty"), "a file has it as it is")


class Scripts(WithSystem):
    """Off a terminal: cron, pipes, other programs."""

    def refused(self, code, says, *words, **options):
        run = self.run_ctl(*words, **options)
        self.assertEqual((run.returncode, run.stdout), (code, ""), run.stderr)
        self.assertIn(says, run.stderr)
        return run.stderr

    def test_exit_codes(self):
        self.assertEqual(self.run_ctl("list", "ls").returncode, 0)
        self.refused(1, "a list named long exists", "list", "create", "long", self.long, *FROM)
        self.refused(2, "add --confirm=long", "list", "start", "long")
        self.refused(2, "'short'", "list", "start", "long", "--confirm", "short")
        self.refused(2, 'there is no command "dance"', "list", "dance")
        self.refused(2, 'there is no command "lst"', "lst")
        for words in (["tenant", "create"], ["policy", "set", "--preset", "us-tsr"], ["caller", "add", "--", "Bad Name"]):
            words = [*words, "+14155550100"] if "Bad Name" in words else [*words, "Bad Name"]
            self.refused(2, "a-z, 0-9", *words)
        self.refused(3, "there is no list nowhere", "list", "show", "nowhere")
        self.refused(3, "no-such-file.csv", "list", "create", "new", "no-such-file.csv", *FROM)
        nobody, = free_ports(1)
        self.refused(69, "", "list", "ls", env={"CALLD_DATABASE_URL": f"postgresql://calld@127.0.0.1:{nobody}/calld"})
        self.refused(69, "", "queue", "ls", env={"CALLD_REDIS_URL": f"redis://127.0.0.1:{nobody}/0"})
        self.refused(69, "", "log-level", "worker", env={"CALLD_SERVICE_RUNTIME_DIR": str(self.system.dir / "none")})

    def test_who_may_not_gets_4(self):
        self.postgres("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
        url = next(line.split('"')[1] for line in (self.system.state / "calld.toml").read_text().splitlines()
                   if line.startswith("url") and "postgresql" in line)
        self.refused(4, "permission denied", "list", "ls", env={"CALLD_DATABASE_URL": with_user(url, "stranger:stranger")})

    def test_an_unknown_attempt_is_10(self):
        self.system.dial("unclear", self.short)
        self.postgres("UPDATE attempts SET state = 'unknown' WHERE list_id = "
                      "(SELECT id FROM lists WHERE name = 'unclear')")
        summary = json.loads(self.ctl("-o", "json", "list", "wait", "unclear", code=10))
        self.assertEqual((summary["state"], summary["unknown_attempts"]), ("completed", 1))

    def test_a_database_that_goes_away_during_an_import_is_75(self):
        command = [BIN / "callctl", "list", "create", "again", "-", *FROM]
        process = subprocess.Popen(command, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        process.stdin.write("phone,name\n" + "".join(f"+1212555{n:04},P\n" for n in range(2000)))
        process.stdin.flush()
        busy = "FROM pg_stat_activity WHERE application_name = 'callctl' AND query LIKE 'INSERT INTO entries%'"
        wait_for(lambda: self.postgres(f"SELECT count(*) {busy}").strip() == "1", 20, "rows being written")
        self.postgres(f"SELECT pg_terminate_backend(pid) {busy}")
        out, err = process.communicate("".join(f"+1213555{n:04},P\n" for n in range(2000)), timeout=60)
        self.assertEqual((process.returncode, out), (75, ""), err)
        self.refused(3, "there is no list again", "list", "show", "again")
        self.ctl("list", "create", "again", self.short, *FROM)

    def test_quiet_says_only_what_is_wrong(self):
        run = self.run_ctl("-q", "list", "set", "long", "--priority", "1")
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, "", ""))
        self.assertIn("changed", self.run_ctl("list", "set", "long", "--priority", "2").stderr)
        self.assertIn("nowhere", self.refused(3, "", "-q", "list", "show", "nowhere"))
        self.assertIn("NAME", self.ctl("-q", "list", "ls"), "the result is no message")

    def test_standard_input_is_a_file_named_dash(self):
        rows = "phone,name\n+12125550150,Ada\n"
        self.assertEqual(json.loads(self.ctl("-o", "json", "list", "create", "piped", "-", *FROM, stdin=rows))["imported"], 1)
        more = self.ctl("-o", "json", "list", "append", "piped", "-", stdin=rows.replace("0150", "0151"))
        self.assertEqual(json.loads(more)["imported"], 1)
        self.assertEqual(json.loads(self.ctl("-o", "json", "dnc", "import", "-", stdin="+12125550152\n"))["read"], 1)
        self.ctl("policy", "set", "piped", "-", stdin='description = "mine"\n')
        self.assertEqual(self.system.json("policy", "show", "piped")["document"]["description"], "mine")

    def test_standard_input_need_not_be_a_file_that_can_be_opened(self):
        """As with `sudo -u calld callctl ... - < file-of-mine`: /dev/stdin would be opened anew, and refused. So is a
        socket, whoever asks."""
        for words in (["dnc", "import", "-", "--dry-run"], ["policy", "set", "closed", "-"]):
            ours, theirs = socket.socketpair()
            with ours, theirs:
                ours.sendall(b"# +12125550153\n")
                ours.shutdown(socket.SHUT_WR)
                run = subprocess.run([BIN / "callctl", *words], env=self.env, stdin=theirs, capture_output=True, text=True,
                                     check=False)
            self.assertNotIn("cannot read", run.stderr)

    def test_a_failed_download_empties_no_registry(self):
        numbers = "".join(f"+1212555{n:04}\n" for n in range(100, 110))
        self.ctl("dnc", "import", "-", "--registry", "ftc", stdin=numbers)
        age = "SELECT read_at FROM dnc_registries WHERE name = 'ftc'"
        before = self.postgres(age)
        for text in ("", "number\n", numbers[:13 * 4], "<html>\n<p>503 +12125550199</p>\n+12125550100\n"):
            self.refused(2, "add --confirm=ftc", "dnc", "import", "-", "--registry", "ftc", "--skip-invalid", stdin=text)
        self.refused(2, "add --confirm=new", "dnc", "import", "-", "--registry", "new", stdin="")
        self.assertEqual(len(self.system.json("dnc", "ls", "--registry", "ftc")["items"]), 10)
        self.assertEqual(self.postgres(age), before, "the old copy's age goes on")
        self.ctl("dnc", "import", "-", "--registry", "ftc", stdin=numbers[:13 * 5])
        self.ctl("dnc", "import", "-", "--registry", "ftc", "--confirm", "ftc", stdin="+12125550100\n")
        self.assertEqual(len(self.system.json("dnc", "ls", "--registry", "ftc")["items"]), 1)

    def test_a_forgotten_star_is_no_number(self):
        for text in ("+1900", "+19005550", "1900"):
            self.refused(2, "1900", "dnc", "add", text)
        self.ctl("dnc", "add", "+1900*", "+12125550154")
        self.refused(2, "add --confirm='+1900*,+12125550154'", "dnc", "rm", "+1900*", "+12125550154")
        self.ctl("dnc", "rm", "+1900*", "+12125550154", "--confirm", "+1900*,+12125550154")

    def test_what_can_do_harm_wants_its_name(self):
        self.ctl("list", "create", "spring sale", self.short, *FROM)
        self.refused(2, "add --confirm='spring sale'", "list", "cancel", "spring sale")
        self.assertEqual(self.system.json("list", "show", "spring sale")["state"], "draft")
        self.ctl("list", "start", "spring sale", "--confirm", "spring sale", "--at", "2099-01-01T00:00:00Z")
        self.refused(2, "add --confirm='spring sale'", "list", "append", "spring sale", self.long)
        self.ctl("list", "append", "spring sale", self.long, "--dry-run")
        self.ctl("list", "append", "spring sale", self.long, "--confirm", "spring sale")
        self.ctl("list", "cancel", "spring sale", "--confirm", "spring sale")

        self.ctl("policy", "set", "used", "-", stdin='description = "one"\n')
        self.ctl("policy", "set", "used", "-", stdin='description = "nobody goes by it"\n')
        self.ctl("list", "set", "long", "--policy", "used")
        self.ctl("policy", "set", "used", "-", stdin='description = "nobody goes by it"\n')
        self.refused(2, "add --confirm=used", "policy", "set", "used", "-", stdin='description = "two"\n')
        self.ctl("policy", "set", "used", "-", "--confirm", "used", stdin='description = "two"\n')
        self.ctl("list", "set", "long", "--policy", "none")
        self.refused(2, "add --confirm=used", "policy", "rm", "used")
        self.ctl("policy", "rm", "used", "--confirm", "used")

        self.ctl("caller", "add", "pool", "+14155550100", "+14155550101")
        self.refused(2, "--all", "caller", "rm", "pool")
        self.refused(2, "--all", "caller", "rm", "pool", "+14155550100", "--all")
        self.ctl("caller", "rm", "pool", "+14155550100")
        self.ctl("caller", "rm", "pool", "--all")

        self.ctl("token", "create", "crm")
        token = next(str(t["id"]) for t in self.system.json("token", "ls")["items"] if t["name"] == "crm")
        self.refused(2, "add --confirm=crm", "token", "revoke", token)
        self.refused(3, "there is no token", "token", "revoke", "999999")
        self.ctl("token", "revoke", token, "--confirm", "crm")

        self.refused(2, "add --confirm=all", "worker", "suspend")
        self.assertIn("were not suspended", self.run_ctl("worker", "resume").stderr)

        self.system.dial("harmed", self.short)
        attempt, = self.system.json("attempt", "ls", "--list", "harmed")["items"]
        self.refused(2, f"add --confirm={attempt['id']}", "attempt", "resolve", attempt["id"], "--as", "redial")

    def test_a_draft_is_started_not_resumed(self):
        self.ctl("list", "create", "drafted", self.long, *FROM)
        self.refused(1, "start", "list", "resume", "drafted")
        tried = json.loads(self.ctl("-o", "json", "list", "start", "drafted", "--dry-run"))
        self.assertEqual((tried["state"], tried["would_dial"]), ("draft", 60))
        self.assertIn("at any hour", self.run_ctl("list", "start", "drafted", "--dry-run").stderr)
        self.ctl("list", "start", "drafted", "--confirm", "drafted", "--at", "2099-01-01T00:00:00Z")
        resumed = json.loads(self.ctl("-o", "json", "list", "resume", "drafted"))
        self.assertEqual((resumed["changed"], resumed["start_at"]), (False, "2099-01-01T00:00:00Z"))
        self.ctl("list", "cancel", "drafted", "--confirm", "drafted")

    def test_a_dry_run_refuses_what_the_real_one_would(self):
        try_create = ["list", "create", "tried", self.long, "--dry-run"]
        self.refused(1, "a list named long exists", "list", "create", "long", self.long, *FROM, "--dry-run")
        self.refused(3, "there is no policy nowhere", *try_create, *FROM, "--policy", "nowhere")
        self.refused(3, "there is no caller pool nowhere", *try_create, "--from-pool", "nowhere")
        tried = json.loads(self.ctl("-o", "json", *try_create, *FROM, "--unique", "open"))
        self.assertEqual((tried["imported"], tried["refused"], tried["id"]), (0, 60, None))
        self.assertEqual({r["reason"] for r in tried["refusals"]}, {"in_other_list"})
        self.refused(2, "60 row(s) refused", *try_create, *FROM, "--unique", "open", "--strict")
        two = self.system.write("two-more.csv", "name,phone\nDana,+12125550101\nNew,+12125550998\n")
        tried = json.loads(self.ctl("-o", "json", "list", "append", "long", two, "--dry-run"))
        self.assertEqual((tried["imported"], tried["refused"]), (1, 1))
        self.assertEqual((tried["refusals"][0]["reason"], tried["refusals"][0]["line"]), ("duplicate", 2))
        self.refused(2, "1 row(s) refused", "list", "append", "long", two, "--strict")
        tried = json.loads(self.ctl("-o", "json", "list", "append", "spring-survey", two, "--unique", "open", "--dry-run"))
        self.assertEqual([r["reason"] for r in tried["refusals"]], ["in_other_list"])
        self.assertEqual(self.system.json("list", "show", "long")["entries"], 60)
        self.refused(3, "there is no list tried", "list", "show", "tried")

    def test_an_export_says_what_became_of_each_and_can_be_imported_again(self):
        outcomes = ["completed", "busy", "no_answer", "failed", "machine", "cancelled", "refused", "expired"]
        rows = "".join(f'+1212555{n:04},"Zo\u00eb, {n}",America/New_York,2099-01-01T00:00:00Z,{n - 200},=1+{n},"say ""{n}"""\n'
                       for n in range(200, 200 + len(outcomes)))
        file = self.system.write("ends.csv", "phone,name,timezone,not_after,priority,city,state\n" + rows)
        self.system.dial("ends", file)
        of_list = "list_id = (SELECT id FROM lists WHERE name = 'ends')"
        wait_for(lambda: int(self.postgres(f"SELECT count(*) FROM call_records WHERE {of_list}")) == len(outcomes), 60,
                 "every call's record is filed")
        for seq, outcome in enumerate(outcomes, 2):
            reason = {"refused": "dnc", "expired": "not_after", "cancelled": "list_cancelled"}.get(outcome, "")
            self.postgres(f"UPDATE entries SET outcome = '{outcome}', reason = '{reason}' WHERE {of_list} AND seq = {seq}")
        self.postgres(f"UPDATE attempts SET error_code = '21211', error_message = 'no such number' WHERE {of_list} AND "
                      f"entry_id IN (SELECT id FROM entries WHERE {of_list} AND outcome = 'failed')")
        self.postgres(f"DELETE FROM call_records WHERE {of_list} AND entry_id IN (SELECT id FROM entries WHERE {of_list} "
                      "AND outcome IN ('refused', 'expired', 'cancelled'))")
        found = self.system.entries("ends")
        self.assertEqual([row["outcome"] for row in found], outcomes)
        by_outcome = {row["outcome"]: row for row in found}
        for row in found:
            self.assertEqual((row["timezone"], row["not_after"], row["from"], row["state"], row["attempts"]),
                             ("America/New_York", "2099-01-01T00:00:00Z", "+15005550006", "done", "1"), row)
            self.assertRegex(row["answered_at"] + row["ended_at"], r"^\d{4}-.*Z\d{4}-.*Z$")
        self.assertEqual((by_outcome["failed"]["carrier_error"], by_outcome["failed"]["message"]), ("21211", "no such number"))
        self.assertEqual([by_outcome[o]["reason"] for o in ("refused", "expired", "cancelled")],
                         ["dnc", "not_after", "list_cancelled"])
        self.assertEqual(by_outcome["completed"]["var.city"], "'=1+200", "no formula for a spreadsheet")
        self.assertTrue(by_outcome["completed"]["record"])

        mine = ("phone", "name", "timezone", "not_after", "priority", "variables")
        before = [{key: e[key] for key in mine} for e in self.full("ends")]
        self.assertEqual(set(before[0]["variables"]), {"city", "state"})
        for form, name in (("csv", "again.csv"), ("ndjson", "again.jsonl"), ("ndjson", "again-2.jsonl")):
            again = self.system.write(name, self.ctl("-o", form, "list", "export", "ends", "--outcome", "failed")
                                      if name == "again-2.jsonl" else self.ctl("-o", form, "list", "export", "ends"))
            made = json.loads(self.ctl("-o", "json", "list", "create", f"from {name}", again, *FROM))
            self.assertEqual(made["refused"], 0, made)
            after = [{key: e[key] for key in mine} for e in self.full(f"from {name}")]
            self.assertEqual(after, before[3:4] if name == "again-2.jsonl" else before)

    def full(self, name):
        return json.loads(self.ctl("-o", "json", "--show-numbers", "list", "entries", name))["items"]

    def test_what_a_call_cannot_carry_is_said(self):
        wide = self.system.write("wide.csv", f"phone,note\n+12125550301,{'x' * 600}\n+12125550302,short\n")
        run = self.run_ctl("list", "create", "wide", wide, *FROM)
        self.assertRegex(run.stderr, r"warning: 1 row\(s\) have variables.* line 2: note")

    def test_empty_files_are_no_lists(self):
        for name in ("empty.csv", "empty.jsonl"):
            self.refused(2, "the file is empty", "list", "create", "empty", self.system.write(name, "\n" * 2), *FROM)

    def test_mistakes_are_answered_with_what_would_be_right(self):
        self.refused(2, "unknown, rejected", "attempt", "ls", "--state", "x")
        self.refused(2, "--from '12' is no number", "list", "create", "bad", self.short, "--from", "12")
        self.refused(2, "say what to change: --policy", "list", "set", "long")
        self.refused(2, "say what to change: --policy", "tenant", "set", "default")
        self.refused(2, "'abc' is no time; give one such as 30s", "list", "wait", "long", "--timeout", "abc")
        self.refused(2, "--wait-timeout goes with --wait", "job", "enqueue", "nightly", "f", "--wait-timeout", "1s")
        self.refused(1, "has not ended yet", "job", "enqueue", "nightly", "f", "--wait", "--wait-timeout", "1s")
        for words, hint in ((["cleanup", "show", "abc"], "see callctl cleanup show --help"),
                            (["list", "ls", "--limt", "3"], "see callctl list ls --help"),
                            (["list", "start"], "see callctl list start --help")):
            self.assertRegex(self.refused(2, hint, *words), r"^callctl: ")
        for words in (["lst"], ["config", "chek"]):
            run = subprocess.run([BIN / "calld", *words], env=self.env, capture_output=True, text=True, check=False)
            self.assertEqual((run.returncode, run.stdout), (2, ""))
            self.assertIn(f'calld: there is no command "{words[-1]}"', run.stderr)

    def test_a_dry_run_writes_nothing(self):
        before = self.postgres("SELECT (SELECT count(*) FROM lists), (SELECT count(*) FROM entries), "
                               "(SELECT count(*) FROM dnc), (SELECT count(*) FROM cleanup_journal)")
        self.assertEqual(json.loads(self.ctl("-o", "json", "list", "create", "dry", self.short, *FROM, "--dry-run"))["id"],
                         None)
        self.assertTrue(json.loads(self.ctl("-o", "json", "list", "append", "long", self.short, "--dry-run"))["dry_run"])
        self.ctl("dnc", "import", "-", "--dry-run", stdin="+12125550188\n")
        self.ctl("cleanup", "run", "--dry-run")
        after = self.postgres("SELECT (SELECT count(*) FROM lists), (SELECT count(*) FROM entries), "
                              "(SELECT count(*) FROM dnc), (SELECT count(*) FROM cleanup_journal)")
        self.assertEqual(before, after)

    def test_the_api_and_nobody_else_cleans_up_at_its_start(self):
        """After the schema was looked at, since a pass reads and writes tables; as its journal says."""
        wait_for(lambda: self.postgres("SELECT 1 FROM cleanup_journal WHERE source = 'start of api'"), 30, "a pass")
        self.assertEqual(self.postgres("SELECT DISTINCT source FROM cleanup_journal WHERE source LIKE 'start of %'").strip(),
                         "start of api")
        log = (self.system.state / "log" / "worker.log").read_text()
        self.assertIn("skipped at start: it is the duty of the role api, this is worker", log)

    def test_a_pause_with_hang_up_ends_the_calls_at_the_carrier(self):
        self.ctl("list", "create", "cut-off", self.short, *FROM)
        self.ctl("list", "start", "cut-off", "--confirm", "cut-off")
        call = wait_for(lambda: self.postgres("SELECT call_sid FROM attempts a JOIN lists l ON l.id = a.list_id WHERE l.name = "
                                              "'cut-off' AND call_status = 'in-progress'").strip(), 60, "a conversation")
        self.ctl("list", "pause", "cut-off", "--hang-up")
        book = self.system.state / "truth" / call / "events.jsonl"
        ended = wait_for(lambda: [e for e in map(json.loads, book.read_text().splitlines()) if e["event"] == "ended"], 60,
                         "its end")
        self.assertEqual((ended[0]["status"], ended[0]["by"]), ("completed", "api"))

    def test_wait_ends_with_one_line(self):
        self.ctl("list", "create", "waited", self.short, *FROM)
        out = self.ctl("-q", "-o", "ndjson", "list", "wait", "waited", "--timeout", "1", code=1)
        late, = out.splitlines()
        self.assertEqual((json.loads(late)["timed_out"], json.loads(late)["state"]), (True, "draft"))
        self.ctl("list", "start", "waited", "--confirm", "waited")
        for form in ("json", "ndjson"):
            line, = self.ctl("-q", "-o", form, "list", "wait", "waited", "--timeout", "120").splitlines()
            summary = json.loads(line)
            self.assertEqual((summary["state"], summary["timed_out"], summary["outcomes"]["completed"]),
                             ("completed", False, 1))

    def test_the_same_key_is_the_same_list(self):
        words = ["-o", "json", "list", "create", "keyed", self.long, *FROM, "--key", "keyed-2026"]
        first = json.loads(self.ctl(*words))
        again = json.loads(self.ctl(*words))
        self.assertEqual((first["existed"], again["existed"], again["id"]), (False, True, first["id"]))
        self.assertEqual(self.system.json("list", "show", "keyed")["entries"], 60)

    def test_nobody_is_called_after_the_end_of_the_campaign(self):
        """As when the worker was down at its time. A row's own not_after goes first."""
        people = self.system.write("late.csv", "phone,not_after\n+12125550131,\n+12125550132,2099-01-01T00:00:00Z\n")
        self.ctl("list", "create", "late", people, *FROM, "--not-after", "2026-01-02T10:30:00+02:00")
        self.ctl("list", "start", "late", "--confirm", "late")
        run = self.run_ctl("-o", "json", "list", "wait", "late", "--timeout", "60")
        self.assertEqual(run.returncode, 0, run.stderr)
        outcomes = json.loads(run.stdout)["outcomes"]
        self.assertEqual((outcomes.get("expired"), sum(outcomes.values())), (1, 2), outcomes)
        wrong = self.run_ctl("list", "create", "wrong", people, *FROM, "--not-after", "10:30")
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("10:30 is no time such as", wrong.stderr)

    def test_what_is_over_may_be_started_again(self):
        self.system.dial("over", self.short)
        run = self.run_ctl("list", "start", "over", "--confirm", "over")
        self.assertEqual((run.returncode, "was already completed" in run.stderr), (0, True), run.stderr)
        self.refused(1, "completed", "list", "resume", "over")
        self.assertEqual(len(self.system.json("attempt", "ls", "--list", "over")["items"]), 1)

    def test_two_of_cron_at_once_make_and_start_one_list(self):
        create = [BIN / "callctl", "-o", "json", "list", "create", "cron", self.long, *FROM, "--key", "cron-2026"]
        start = [BIN / "callctl", "-o", "json", "list", "start", "cron", "--confirm", "cron"]
        made = self.at_once(create, 6)
        self.assertEqual(len({answer["id"] for answer in made}), 1)
        self.assertEqual(sorted(answer["existed"] for answer in made), [False] + [True] * 5)
        started = self.at_once(start, 6)
        self.assertEqual(sum(answer["changed"] for answer in started), 1)
        self.assertEqual(self.postgres("SELECT count(*) FROM lists WHERE name = 'cron'").strip(), "1")
        self.ctl("list", "cancel", "cron", "--hang-up", "--confirm", "cron")

    def at_once(self, command, times):
        running = [subprocess.Popen([str(w) for w in command], env=self.env, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True) for _ in range(times)]
        answers = []
        for process in running:
            out, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, err)
            answers.append(json.loads(out))
        return answers

    def test_a_closed_pipe_ends_it(self):
        command = f"set -o pipefail; '{BIN}/callctl' list entries long | head -n 1"
        run = subprocess.run(["bash", "-c", command], env=self.env, capture_output=True, text=True, check=False)
        self.assertIn("LINE", run.stdout)
        self.assertNotIn("Aborted", run.stderr)


class Limits(WithSystem):
    """What is left out is never left out in silence."""

    CUT = [["list", "ls"], ["list", "entries", "two"], ["call", "ls"], ["attempt", "ls"], ["dnc", "ls"],
           ["job", "ls"], ["queue", "show", "nightly"], ["queue", "show", "default", "--by-reason"], ["cleanup", "ls"]]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        run = cls.system.callctl
        two = cls.system.write("two.csv", "phone,name\n+12125550101,Dana\n+12125550102,Noa\n")
        cls.system.dial("two", two)
        run("dnc", "add", "+12125550198", "+12125550199")
        run("job", "enqueue", "nightly", "f")
        for function in ("no.such", "nor.this"):
            run("job", "enqueue", "default", function, "--wait", code=1)
        for _ in range(2):
            run("cleanup", "run")
        wait_for(lambda: len(cls.system.json("call", "ls")["items"]) == 2, 30, "two call records")

    def test_every_command_with_a_limit_is_looked_at(self):
        with_limit = {command for command in self.system.commands()
                      if re.search(r"(?m)^ +--limit ", self.ctl(*command.split(), "--help"))}
        self.assertEqual(with_limit, {" ".join(words[:2]) for words in self.CUT})

    def test_what_a_limit_leaves_out_is_said(self):
        for words in self.CUT:
            with self.subTest(" ".join(words)):
                run = self.run_ctl("-o", "json", *words, "--limit", "1")
                document = json.loads(run.stdout)
                self.assertEqual((len(document["items"]), document["truncated"]), (1, True))
                self.assertIn("there are more than these 1", run.stderr)
                self.assertEqual(self.run_ctl("-q", *words, "--limit", "1").stderr, "", "it was asked for")
                run = self.run_ctl("-o", "json", *words, "--limit", "1000000")
                document = json.loads(run.stdout)
                self.assertGreater(len(document["items"]), 1)
                self.assertEqual((document["truncated"], run.stderr), (False, ""))
                run = self.run_ctl(*words, "--limit", str(len(document["items"])))
                self.assertEqual(run.stderr, "", "that many there are, and no more")

    def test_a_limit_that_nobody_chose_is_said_even_quietly(self):
        for n in range(100):
            self.ctl("-q", "list", "create", f"many-{n}", self.short, *FROM)
        run = self.run_ctl("-q", "-o", "csv", "list", "ls")
        self.assertEqual(len(run.stdout.splitlines()), 101)
        self.assertIn("warning: there are more than these 100; --limit N shows more", run.stderr)
        run = self.run_ctl("-q", "-o", "csv", "list", "ls", "--limit", "1000")
        self.assertEqual((len(run.stdout.splitlines()), run.stderr), (104, ""))
        candidates = self.ctl("__complete", "--", "list", "show", "spring")
        self.assertEqual(candidates.split("\t")[0], "spring-survey", "older than the newest hundred")

    def test_many_rules_come_in_pages(self):
        self.system.write("rules.csv", "\n".join(f"+1213{n:07}" for n in range(10_500)) + "\n")
        self.ctl("dnc", "import", self.system.dir / "rules.csv", "--registry", "big")
        document = json.loads(self.ctl("-o", "json", "dnc", "ls", "--registry", "big", "--limit", "10400"))
        self.assertEqual((len(document["items"]), document["truncated"]), (10_400, True))
        document = json.loads(self.ctl("-o", "json", "dnc", "ls", "--registry", "big", "--limit", "20000"))
        self.assertEqual((len(document["items"]), document["truncated"]), (10_500, False))


def with_user(url, user):
    """The same database, as somebody else."""
    scheme, rest = url.split("://", 1)
    return f"{scheme}://{user}@{rest.split('@', 1)[-1]}"


class Shells(WithSystem):
    """Completion as bash, zsh and fish do it, with TAB."""

    def shell(self, command, prepare):
        path = shutil.which(command[0])
        self.assertIsNotNone(path, f"{command[0]} is missing: packaging/install-deps test")
        env = {**self.env, "PS1": "ready> ", "HOME": str(self.system.dir), "HISTFILE": ""}
        terminal = Terminal([path, *command[1:]], env, rows=50, columns=160)
        self.addCleanup(terminal.__exit__)
        terminal.type(prepare + "; echo prepa''red\n")
        terminal.until("prepared")
        return terminal

    def completes(self, terminal, line, pattern):
        """TAB after the line shows what the pattern says; then the line is taken away again."""
        terminal.text = ""
        terminal.type(line + "\t")
        try:
            terminal.until(pattern, 3)
        except AssertionError:
            terminal.type("\t")  # the second one lists the candidates
            terminal.until(pattern)
        terminal.type("\x15")
        terminal.read(0.3)

    def walk(self, terminal):
        self.completes(terminal, "callctl l", r"log-level")
        self.completes(terminal, "callctl li", r"callctl list ")
        self.completes(terminal, "callctl list create --conc", r"--concurrency")
        self.completes(terminal, "callctl list show spr", r"spring-survey")
        self.completes(terminal, "callctl queue show nigh", r"nightly")
        self.completes(terminal, "callctl -o nd", r"ndjson")

    def test_bash(self):
        self.walk(self.shell(["bash", "--norc", "--noprofile", "-i"], "source <(callctl completion bash)"))

    def test_zsh(self):
        prepare = "autoload -U compinit && compinit -u -D; source <(callctl completion zsh)"
        self.walk(self.shell(["zsh", "-f", "-i"], prepare))

    def test_fish(self):
        def candidates(line):
            run = subprocess.run(["fish", "-c", "callctl completion fish | source; complete -C $argv[1]", line],
                                 env={**self.env, "HOME": str(self.system.dir)}, capture_output=True, text=True, check=True)
            return [row.split("\t")[0] for row in run.stdout.splitlines()]
        self.assertIsNotNone(shutil.which("fish"), "fish is missing: packaging/install-deps test")
        self.assertEqual(candidates("callctl l"), ["list", "log-level"])
        self.assertEqual(candidates("callctl list create --conc"), ["--concurrency"])
        self.assertEqual(candidates("callctl list show spr"), ["spring-survey"])
        self.assertEqual(candidates("callctl queue show nigh"), ["nightly"])
        self.assertEqual(candidates("callctl -o nd"), ["ndjson"])


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
