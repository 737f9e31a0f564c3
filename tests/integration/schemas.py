"""The contract of docs/schemas: every command of callctl, run against a real system with -o json, ndjson and csv, prints
what its schema says, and no command is without one.

    python3 tests/integration/schemas.py build/release/bin build/release/python
"""
import csv
import io
import json
import re
import subprocess
import sys
import unittest

from harness import ROOT, System, wait_for

sys.path.append(str(ROOT / "tests/interop"))
import environment  # noqa: E402: beside another test

SCHEMAS = ROOT / "docs/schemas"

CALLERS = """
[defaults]
ring_s = 0.3
voice = "rms"
lines = ["Yes.", "Five.", "No."]

[[caller]]
number = "+12125550102"
pickup = "busy"
"""
CONTACTS = 'phone,name,city\n+12125550101,דנה,חיפה\n+12125550102,"=1+1",-\nnonsense,Bad,\n'

# Their results are texts of another kind; -o other than table is refused.
TEXTS = {"report call": ["CALL"], "report list": ["called"], "completion": ["bash"]}

# command -> its arguments, in the order run; {f} is the format, so that each run finds a subject of its own.
WALK = [
    ("db migrate", []), ("db status", []),
    ("tenant create", ["t-{f}"]), ("tenant ls", []), ("tenant show", ["t-{f}"]),
    ("tenant set", ["t-{f}", "--concurrency", "5"]),
    ("token create", ["k-{f}"]), ("token ls", []), ("token revoke", ["TOKEN", "--confirm", "k-{f}"]),
    ("policy presets", []), ("policy preset", ["us-tsr"]), ("policy set", ["p-{f}", "--preset", "us-tsr"]), ("policy ls", []),
    ("policy show", ["p-{f}"]), ("policy rm", ["p-{f}", "--confirm", "p-{f}"]),
    ("caller add", ["pool-{f}", "+14155550100"]), ("caller ls", []), ("caller rm", ["pool-{f}", "--all"]),
    ("dnc add", ["+14155550188", "+1900*"]), ("dnc import", ["NUMBERS"]), ("dnc ls", []), ("dnc rm", ["+14155550188", "--confirm", "+14155550188"]),
    ("list create", ["l-{f}", "FILE", "--from", "+14155550100"]), ("list append", ["l-{f}", "FILE"]), ("list ls", []),
    ("list show", ["called"]), ("list set", ["l-{f}", "--priority", "3"]),
    ("list start", ["l-{f}", "--confirm", "l-{f}", "--at", "2099-01-01T00:00:00Z"]), ("list pause", ["l-{f}"]),
    ("list resume", ["l-{f}"]), ("list cancel", ["l-{f}", "--hang-up", "--confirm", "l-{f}"]), ("list entries", ["called"]),
    ("list export", ["called"]), ("list explain", ["called/2"]), ("list watch", ["called"]), ("list wait", ["called"]),
    ("call ls", []), ("call show", ["CALL"]), ("call replay", ["CALL"]),
    ("attempt ls", []), ("attempt show", ["CALL"]), ("attempt resolve", ["ABANDONED", "--as", "give-up"]),
    ("job enqueue", ["asleep", "f", "1", '{"a":2}', "--id", "j-{f}"]), ("job ls", []), ("job show", ["j-{f}"]),
    ("job cancel", ["j-{f}"]), ("job requeue", ["j-{f}"]), ("job delete", ["j-{f}", "--confirm", "j-{f}"]),
    ("job stop", ["RUNNING"]),
    ("queue ls", []), ("queue show", ["default", "--set", "failed"]),
    ("queue requeue", ["default", "--confirm", "default", "--reason", "nothing like it"]),
    ("queue purge", ["asleep", "--confirm", "asleep"]),
    ("worker suspend", ["--for", "10m", "--confirm", "all"]), ("worker resume", []), ("worker ls", []), ("worker stop", ["nobody"]),
    ("cleanup plan", []), ("cleanup run", []), ("cleanup ls", []), ("cleanup show", ["1"]), ("cleanup replay", ["1"]),
    ("log-level", ["worker"]), ("doctor", ["--local"]), ("top", ["--count", "2", "--interval", "0.2"]),
]
# Other shapes of the same commands.
MORE = [
    ("list create", ["dry-{f}", "FILE", "--from", "+14155550100", "--dry-run"]),
    ("list wait", ["waiting", "--timeout", "1s"]),
    ("list start", ["waiting", "--dry-run"]),
    ("queue show", ["default", "--by-reason"]),
    ("job enqueue", ["default", "calld.noop", "1", "--wait"]),
    ("dnc import", ["NUMBERS", "--dry-run"]),
]
# Commands that end with another code here, and the message that says why. Nothing is printed then.
FAILS = {"worker stop": (3, "nobody"), "job stop": (1, "not run")}
OTHER_CODES = {"list wait waiting": 1, "list wait called": None, "doctor": None}  # one of its attempts is abandoned at first
NO_CSV = {"top"}


class Schemas(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        from jsonschema import Draft202012Validator, FormatChecker
        from referencing import Registry, Resource
        cls.documents = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}
        registry = Registry().with_resources((name, Resource.from_contents(d)) for name, d in cls.documents.items())
        cls.validator = lambda _, schema: Draft202012Validator(schema, registry=registry, format_checker=FormatChecker())
        for document in cls.documents.values():
            Draft202012Validator.check_schema(document)
        cls.system = System(sys.argv[1], CALLERS).__enter__()
        cls.addClassCleanup(cls.system.__exit__)
        cls.make_subjects(cls.system)

    @classmethod
    def make_subjects(cls, system):
        cls.names = {"FILE": system.write("people.csv", CONTACTS), "NUMBERS": system.write("dnc.csv", "+14155550177\n")}
        system.callctl("list", "create", "waiting", cls.names["FILE"], "--from", "+14155550100")
        code, _ = system.dial("called", cls.names["FILE"])
        assert code == 0
        cls.names["CALL"] = wait_for(lambda: system.json("call", "ls")["items"], 30, "a call record")[0]["call_sid"]
        busy = next(a for a in system.json("attempt", "ls")["items"] if a["status"] == "busy")
        cls.names["ABANDONED"] = busy["id"]
        url = next(line.split('"')[1] for line in (system.state / "calld.toml").read_text().splitlines()
                   if line.startswith("url") and "postgresql" in line)
        subprocess.run(["psql", "-q", url, "-c", f"UPDATE attempts SET state = 'abandoned' WHERE id = '{busy['id']}'"],
                       check=True)
        system.callctl("job", "enqueue", "default", "no.such", "--wait", code=1)
        cls.names["RUNNING"] = json.loads(system.callctl("-o", "json", "job", "enqueue", "unattended", "f"))["id"]
        system.callctl("cleanup", "run")

    def words(self, words, form):
        if "TOKEN" in words:
            tokens = self.system.json("token", "ls")["items"]
            words = [str(next(t["id"] for t in tokens if t["name"] == f"k-{form}")) if w == "TOKEN" else w for w in words]
        return [str(self.names.get(w, w.format(f=form) if "{f}" in w else w)) for w in words]

    def schema_of(self, command):
        name = command.replace(" ", "-") + ".json"
        self.assertIn(name, self.documents, f"docs/schemas/{name} is missing")
        return self.documents[name]

    def check(self, schema, value):
        errors = [f"{list(e.absolute_path)}: {e.message}" for e in self.validator(schema).iter_errors(value)]
        self.assertEqual(errors, [])

    def line_schema(self, document):
        """Of a line of ndjson: an element of a table's items, or the same object."""
        fields = document.get("properties", {})
        table = {"version", "items"} <= fields.keys() <= {"version", "items", "truncated"}
        return fields["items"]["items"] if table else document

    def run_one(self, command, words, form):
        run = self.system.callctl_run("-o", form, *command.split(), *self.words(words, form))
        if command in FAILS:
            code, why = FAILS[command]
            self.assertEqual((run.returncode, run.stdout), (code, ""), run.stderr)
            self.assertIn(why, run.stderr)
            return None
        wanted = OTHER_CODES.get(f"{command} {words[0]}" if words else command, OTHER_CODES.get(command, 0))
        if wanted is not None:
            self.assertEqual(run.returncode, wanted, run.stdout + run.stderr)
        return run.stdout

    def check_output(self, command, words, form):
        out = self.run_one(command, words, form)
        if out is None:
            return
        document = self.schema_of(command)
        stream = command in ("top", "list watch")
        if form == "json" and not stream:
            self.check(document, json.loads(out))
        elif form == "ndjson" or (form == "json" and command == "list watch"):
            lines = [json.loads(line) for line in out.splitlines()]
            if document is self.line_schema(document):
                self.assertTrue(lines)
            for line in lines:
                self.check(self.line_schema(document), line)
        elif form == "csv":
            rows = list(csv.reader(io.StringIO(out)))
            self.assertTrue(rows)
            self.assertEqual({len(row) for row in rows}, {len(rows[0])}, out)

    def test_every_command_has_a_schema_and_prints_by_it(self):
        walked = {command for command, _ in WALK}
        for command in self.system.commands():
            if command not in TEXTS:
                with self.subTest(command):
                    self.assertIn(command, walked, "a new command: give it a schema, and arguments in WALK")
        named = {command.replace(" ", "-") + ".json" for command in walked} | {"common.json"}
        self.assertEqual(set(self.documents), named, "schemas and commands differ")
        for form in ("json", "ndjson", "csv"):
            for command, words in WALK + MORE:
                if form == "csv" and command in NO_CSV:
                    continue
                with self.subTest(f"{command} -o {form}"):
                    self.check_output(command, words, form)

    def test_a_text_has_no_other_format(self):
        for command, words in TEXTS.items():
            run = self.system.callctl_run("-o", "json", *command.split(), *self.words(words, "json"))
            self.assertEqual((run.returncode, run.stdout), (2, ""))
            self.assertIn("-o json does not apply", run.stderr)

    def test_every_schema_is_closed(self):
        """Nothing may be printed that the schema does not know."""
        for name, document in self.documents.items():
            for schema in objects_of(document):
                closed = "additionalProperties" in schema or "unevaluatedProperties" in schema
                with self.subTest(name):
                    self.assertTrue(closed or schema in open_definitions(self.documents), schema)

    def test_a_change_is_noticed(self):
        """The test itself: a field that the schema does not know, or that is gone, is a fault."""
        show = self.schema_of("list show")
        value = self.system.json("list", "show", "called")
        self.assertTrue(self.validator(show).is_valid(value))
        self.assertFalse(self.validator(show).is_valid({**value, "new": 1}))
        self.assertFalse(self.validator(show).is_valid({k: v for k, v in value.items() if k != "state"}))

    def test_the_rows_of_the_golden_tables_are_real_ones(self):
        rows = json.loads((ROOT / "tests/data/golden/rows.json").read_text())
        for name, value in rows.items():
            with self.subTest(name):
                document = self.schema_of(re.sub(" --.*| events", "", name))
                if name.endswith(" events"):
                    self.check(document["properties"]["events"], value)
                elif isinstance(value, list):
                    cut = {"truncated": False} if "truncated" in document["properties"] else {}
                    self.check(document, {"version": 1, "items": value, **cut})
                else:
                    self.check(document, value)

    def test_csv_is_no_formula(self):
        rows = list(csv.DictReader(io.StringIO(self.system.callctl("-o", "csv", "list", "entries", "called"))))
        self.assertIn("'=1+1", [row["name"] for row in rows])
        exported = self.system.entries("called")
        self.assertIn("'=1+1", [row["name"] for row in exported])


def objects_of(schema):
    """Every schema of an object with properties, at any depth."""
    if isinstance(schema, list):
        for item in schema:
            yield from objects_of(item)
    elif isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield schema
        for value in schema.values():
            yield from objects_of(value)


def open_definitions(documents):
    """Those that others close where they use them."""
    return [documents["common.json"]["$defs"][name] for name in ("list", "entry", "attempt", "job")]


if __name__ == "__main__":
    environment.enter(ROOT / "tests/integration/requirements.txt", sys.argv[2])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
