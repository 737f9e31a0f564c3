"""The Grafana dashboard in packaging asks for what the daemons really export, and for nothing else.

    python3 tests/integration/dashboard.py build/release/bin [TestClass.test_name]
"""
import json
import re
import sys
import unittest

from harness import ROLES, ROOT, System

BIN = None
DASHBOARD = ROOT / "packaging/grafana/calld.json"
# What PromQL itself knows.
FUNCTIONS = {"sum", "max", "rate", "increase", "histogram_quantile", "by"}
# Exported once something has gone wrong, or once a service is used, with these labels and from there.
LATER = {"calld_rq_jobs_abandoned_total": ({"queue", "fate"}, "core/rq/meters.cpp"),
         "calld_provider_failures_total": ({"service"}, "core/provider/host.cpp"),
         "calld_provider_refusals_total": ({"service"}, "core/provider/host.cpp")}


class Dashboard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System(BIN, "").__enter__()
        cls.addClassCleanup(cls.system.__exit__)
        contacts = cls.system.write("c.csv", "phone\n+12125550110\n")
        # A list from the API to its end: some labels, such as a queue's name, exist once they were used.
        cls.system.callctl("list", "create", "l", contacts, "--from", "+15005550006")
        token = cls.system.callctl("token", "create", "dashboard").strip()
        list_id = cls.system.json("list", "show", "l")["id"]
        status, body = cls.system.http("api", f"/v1/lists/{list_id}/start", "POST", "",
                                       {"Authorization": f"Bearer {token}"})
        assert status == 200, body
        cls.system.callctl("list", "wait", "l", "--timeout", "240")
        cls.metrics = {}
        for role in ROLES:
            for line in cls.system.http(role, "/metrics")[1].splitlines():
                found = re.match(r"([a-z_]+)(?:\{(.*)\})? ", line)
                if found and not line.startswith("#"):
                    labels = set(re.findall(r'([a-z_]+)="', found.group(2) or ""))
                    cls.metrics.setdefault(found.group(1), set()).update(labels)
        for name, (labels, source) in LATER.items():
            text = (ROOT / source).read_text()
            assert f'"{name}"' in text and all(f'{{"{label}"' in text for label in labels), f"{source} and LATER differ"
            cls.metrics.setdefault(name, labels)
        cls.dashboard = json.loads(DASHBOARD.read_text())
        cls.panels = [p for p in cls.dashboard["panels"] if p["type"] != "row"]

    def queries(self):
        for panel in self.panels:
            for target in panel["targets"]:
                yield panel["title"], target["expr"], target["legendFormat"]

    def test_every_metric_exists(self):
        for title, expr, _ in self.queries():
            for name in re.findall(r"\bcalld_[a-z_]+", expr):
                self.assertIn(name, self.metrics, f"panel {title!r}")

    def test_every_label_exists(self):
        for title, expr, legend in self.queries():
            metric = re.search(r"\bcalld_[a-z_]+", expr).group(0)
            known = self.metrics[metric] | {"instance", "job"}
            grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", expr) for label in group.split(",")}
            for label in grouped | set(re.findall(r"\{\{(\w+)\}\}", legend)):
                self.assertIn(label, known, f"panel {title!r}, {metric}")

    def test_queries_are_whole(self):
        for title, expr, _ in self.queries():
            self.assertEqual(expr.count("("), expr.count(")"), title)
            self.assertEqual(expr.count("{"), expr.count("}"), title)
            for name in re.findall(r"\b([a-z_]+) ?\(", expr):
                self.assertIn(name, FUNCTIONS, title)
            for counter in re.findall(r"\b(calld_[a-z_]+_total)\b", expr):
                self.assertRegex(expr, rf"(rate|increase)\({counter}", f"{title}: a counter needs its rate")

    def test_panels_are_described_and_do_not_overlap(self):
        self.assertEqual(len({p["id"] for p in self.dashboard["panels"]}), len(self.dashboard["panels"]))
        taken = set()
        for panel in self.dashboard["panels"]:
            box = panel["gridPos"]
            self.assertLessEqual(box["x"] + box["w"], 24)
            for x in range(box["x"], box["x"] + box["w"]):
                for y in range(box["y"], box["y"] + box["h"]):
                    self.assertNotIn((x, y), taken, panel["title"])
                    taken.add((x, y))
        for panel in self.panels:
            self.assertTrue(panel["description"] and panel["fieldConfig"]["defaults"]["unit"], panel["title"])

    def test_what_the_daemons_count_is_shown(self):
        shown = set(re.findall(r"\bcalld_[a-z_]+", " ".join(expr for _, expr, _ in self.queries())))
        counted = {n for n in self.metrics if n.startswith("calld_") and not n.startswith("calld_sim_")
                   and not n.endswith(("_sum", "_count"))}
        # How many calls began is seen from those that ended; calld_info is the version.
        self.assertEqual(counted - shown - {"calld_media_calls_total", "calld_info"}, set())


if __name__ == "__main__":
    BIN = sys.argv.pop(1)
    unittest.main(verbosity=2)
