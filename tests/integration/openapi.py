"""The HTTP API against docs/openapi.yaml: requests are generated from the file (schemathesis), sent to a real `calld up`,
and every answer must be one that the file describes, never a 5xx. The carrier's webhooks are signed as it would.

    python3 tests/integration/openapi.py build/release/bin build/release/python
"""
import os
import pathlib
import subprocess
import sys
import unittest

from harness import ROOT, System

sys.path.append(str(ROOT / "tests/interop"))
import environment  # noqa: E402: beside another test

HERE = pathlib.Path(__file__).parent
SEED = 20261127
EXAMPLES = 20  # a phase and operation: bounded, so that the whole takes less than a minute
CHECKS = ("not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
          "response_schema_conformance,unsupported_method,allow_header_conformance,ignored_auth,"
          "negative_data_rejection")

CALLERS = """
[defaults]
ring_s = 0.3
"""


class OpenApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Nobody is called in this test: lists that generated requests start find a carrier that takes one call a second.
        cls.system = System(sys.argv[1], CALLERS).__enter__()
        cls.addClassCleanup(cls.system.__exit__)
        cls.token = cls.system.callctl("token", "create", "fuzzer").strip()
        people = cls.system.write("people.csv", "phone,name\n+12125550101,Dana\nnonsense,X\n")
        cls.system.callctl("list", "create", "first", people, "--from", "+14155550100")
        cls.system.callctl("dnc", "add", "+14155550188")
        cls.system.callctl("policy", "set", "ours", "-", stdin='description = "ours"\n')

    def test_every_answer_is_documented(self):
        command = [pathlib.Path(sys.executable).parent / "st", "run", ROOT / "docs/openapi.yaml",
                   "--url", f"http://127.0.0.1:{self.system.ports['api']}", "--header", f"Authorization: Bearer {self.token}",
                   "--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES),
                   "--seed", str(SEED), "--generation-database", "none", "--request-timeout", "20", "--workers", "2",
                   "--continue-on-failure", "--warnings", "off"]
        env = {**os.environ, "SCHEMATHESIS_HOOKS": "openapi_hooks", "PYTHONPATH": str(HERE), "NO_COLOR": "1",
               "CALLD_TEST_STATE": str(self.system.state)}
        run = subprocess.run([str(word) for word in command], env=env, cwd=self.system.dir, capture_output=True, text=True,
                             check=False, timeout=300)
        print(run.stdout[-20000:])
        self.assertEqual(run.returncode, 0, run.stderr + self.system.logs())
        self.assertIn("No issues found", run.stdout)


if __name__ == "__main__":
    environment.enter(ROOT / "tests/integration/requirements.txt", sys.argv[2])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
