"""The Debian packages, packed out of a build that exists already, and what lintian and we say of them. Needs no network.

    python3 tests/packaging/deb.py BUILD_DIR [TestClass.test_name]

What needs a Debian of its own (install, upgrade, purge, a booted system) is packaging/test-deb.sh.
"""
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = None


class Deb(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="calld-deb-")))
        # What is not of calld's packages stays, whatever its name.
        (cls.dir / "calld").mkdir()
        for name in ("calld/checkout", "another_1_all.deb", "calld_0.0.0_amd64.deb"):
            (cls.dir / name).write_text("here before")
        # Fails for an error or a warning of lintian.
        build = subprocess.run([ROOT / "packaging/build-deb.sh", "--prebuilt", BUILD, "--output", cls.dir],
                               capture_output=True, text=True, check=False)
        if build.returncode != 0:
            raise AssertionError("\n".join((build.stdout + build.stderr).splitlines()[-60:]))
        (cls.dir / "another_1_all.deb").unlink()
        assert len(list(cls.dir.glob("calld_*.deb"))) == 1, "an older package is still there"
        assert (cls.dir / "calld/checkout").exists(), "a directory was deleted"
        cls.debs = {p.name.split("_")[0]: p for p in cls.dir.glob("*.deb")}

    def contents(self, package):
        """{path: mode} of what the package brings."""
        listing = subprocess.run(["dpkg-deb", "--contents", self.debs[package]], capture_output=True, text=True, check=True)
        return {line.split()[5].removeprefix("."): line.split()[0] for line in listing.stdout.splitlines()}

    def control(self, package):
        """{name: text} of its control files and maintainer's scripts."""
        place = self.dir / f"{package}.control"
        subprocess.run(["dpkg-deb", "--control", self.debs[package], place], check=True)
        return {p.name: p.read_text() for p in place.iterdir()}

    def test_what_is_where_debian_users_look(self):
        calld, callctl = self.contents("calld"), self.contents("callctl")
        units = next(p for p in calld if p.endswith("/calld.target")).removesuffix("calld.target")
        self.assertIn(units, ("/lib/systemd/system/", "/usr/lib/systemd/system/"))
        for path in ("/usr/bin/calld", "/etc/calld/calld.toml", "/usr/lib/sysusers.d/calld.conf",
                     "/usr/lib/tmpfiles.d/calld.conf", "/usr/share/man/man8/calld.8.gz",
                     "/usr/share/doc/calld/README.Debian", "/usr/share/doc/calld/docs/tutorial.md",
                     "/usr/share/doc/calld/examples/campaign/calld-campaign@.timer",
                     f"{units}calld-api.service", f"{units}calld-worker@.service", f"{units}calld-media.service",
                     f"{units}calld-cleanup.timer", f"{units}calld-.service.d/10-hardening.conf",
                     f"{units}calld-media.service.d/20-realtime.conf"):
            self.assertIn(path, calld)
        for path in ("/usr/bin/callctl", "/usr/share/man/man1/callctl.1.gz", "/usr/share/man/man5/calld.toml.5.gz",
                     "/usr/share/bash-completion/completions/callctl", "/usr/share/zsh/vendor-completions/_callctl",
                     "/usr/share/fish/vendor_completions.d/callctl.fish"):
            self.assertIn(path, callctl)
        self.assertEqual(set(calld) & set(callctl) - {p for p in calld if p.endswith("/")}, set())

    def test_the_configuration_is_the_administrators(self):
        self.assertEqual(self.control("calld")["conffiles"].split(), ["/etc/calld/calld.toml"])

    def test_nothing_is_started_and_what_runs_is_restarted(self):
        scripts = self.control("calld")
        done = re.findall(r"deb-systemd-invoke (?:-- )?(\S+)", scripts["postinst"])
        self.assertEqual(done, ["try-restart"], "by the installation; an upgrade that only stops strands a list")
        line = re.search(r"try-restart((?: .*\\\n)? .*)", scripts["postinst"])[1]
        self.assertIn(" --no-block ", line, "a media server drains for 15 minutes, and apt would wait")
        shipped = {m[1] for p in self.contents("calld") if (m := re.search(r"/systemd/system/([^/]+\.(?:service|timer|target))$", p))}
        # Workers are instances; the clean-up ends by itself.
        self.assertEqual({word.strip("'").replace("@*", "@") for word in re.findall(r"'?calld\S+", line)},
                         shipped - {"calld-cleanup.service"})
        self.assertNotIn("preinst", scripts)
        self.assertIn("deb-systemd-invoke stop calld.target", scripts["prerm"])
        # Enabled again only where an operator had it enabled.
        for line in re.findall(r".*\n.*deb-systemd-helper enable.*", scripts["postinst"]):
            self.assertRegex(line, "was-enabled|new symlinks")

    def test_the_two_are_of_one_version(self):
        version = re.search(r"^Version: (.*)$", self.control("callctl")["control"], re.M)[1]
        self.assertIn(f"callctl (= {version})", self.control("calld")["control"])
        project = re.search(r"project\(calld VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
        self.assertTrue(version.startswith(project), f"{version} of the packages, {project} of the programs")


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
