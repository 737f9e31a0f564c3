"""The oracle itself: books that agree pass, and each way in which they can disagree is seen.

    python3 tests/chaos/oracle_test.py
"""
import copy
import types
import unittest

import oracle


def books():
    """Two entries called once each, one that was never called, and an attempt given up for good reason."""
    creates = {sid: {"sid": sid, "token": token, "to": to, "time": "1970-01-01T00:01:40Z"}
               for sid, token, to in (("CA1", "t1", "+1"), ("CA2", "t2", "+2"))}

    def attempt(number, entry, state, token, sid, status):
        return {"id": f"a{number}", "entry": entry, "list": "1", "n": "1", "state": state, "token": token, "sid": sid,
                "status": status, "sent": 100}
    attempts = [attempt(1, "e1", "ended", "t1", "CA1", "completed"), attempt(2, "e2", "ended", "t2", "CA2", "busy"),
                attempt(3, "e3", "abandoned", "t3", "", "")]
    entries = [("e1", "+1", "done", "completed"), ("e2", "+2", "done", "busy"), ("e3", "+3", "done", "failed"),
               ("e4", "+4", "done", "refused")]
    return types.SimpleNamespace(
        creates=creates, attempts={a["id"]: a for a in attempts},
        entries={i: {"id": i, "list": "1", "phone": p, "state": s, "outcome": o, "reason": ""} for i, p, s, o in entries},
        lists={"1": {"id": "1", "name": "l", "state": "completed", "max": "1", "concurrency": "5"}},
        moves=[["a1", "placed", "ended", "in-progress", "completed", 101, 101],
               ["a3", "sending", "unknown", "", "", 101, 101], ["a3", "unknown", "abandoned", "", "", 113, 113]],
        holders=[], clock=[(0, 0)], bound={"CA1": 100.5, "CA2": 103}, calls={"CA1": "completed", "CA2": "busy"}, span={"CA1": (0, 1), "CA2": (0, 1)})


class Oracle(unittest.TestCase):
    def seen(self, change, samples=(), pauses=(), handed_in=4, spared=(), hours=None, stops=()):
        changed = copy.deepcopy(books())
        change(changed)
        return {invariant for invariant, _ in oracle.check(changed, handed_in, samples, pauses, spared, hours, stops)}

    def test_books_that_agree(self):
        self.assertEqual(self.seen(lambda b: None), set())
        self.assertEqual((oracle.duplicates(books()), oracle.lost(books())), (0, 0))

    def test_a_second_create_of_one_attempt(self):
        def change(b):
            b.creates["CA9"] = {**b.creates["CA1"], "sid": "CA9"}
            b.calls["CA9"], b.span["CA9"] = "completed", (0.5, 2)
        self.assertLessEqual({"I1", "I2", "I4"}, self.seen(change))
        b = books()
        change(b)
        self.assertEqual(oracle.duplicates(b), 1)

    def test_more_attempts_than_allowed(self):
        def change(b):
            b.attempts["a4"] = {**b.attempts["a1"], "id": "a4", "sid": "", "token": "t4", "n": "2", "state": "rejected"}
        self.assertIn("I2", self.seen(change))

    def test_a_send_that_should_not_have_been(self):
        self.assertIn("I6", self.seen(lambda b: None, pauses=[("1", 99, 101)]))
        self.assertNotIn("I6", self.seen(lambda b: None, pauses=[("1", 101, 102)]))
        self.assertIn("I6", self.seen(lambda b: None, spared=[("+1", 99)]))
        self.assertNotIn("I6", self.seen(lambda b: None, spared=[("+1", 101), ("+1", None), ("+4", 99)]))

    def test_a_send_outside_the_hours(self):
        def send(at):
            def change(b):
                b.moves.append(["a1", "intent", "sending", "", "", at, at])
                for create in b.creates.values():
                    create["time"] = f"1970-01-01T00:{int(at) // 60:02}:{int(at) % 60:02}Z"
            return change
        for at in (59, 90, 121):
            self.assertIn("I6", self.seen(send(at), hours={"l": [(60, 70), (110, 120)]}))
        for at in (60, 70.2, 115):
            self.assertNotIn("I6", self.seen(send(at), hours={"l": [(60, 70), (110, 120)]}))
        self.assertNotIn("I6", self.seen(send(90), hours={"other": [(60, 70)]}))

    def test_hours_are_those_of_a_clock_that_jumps(self):
        def send(at, shown):
            def change(b):
                b.clock = [(0, 0), (80, 40), (100, 0)]  # from 80 to 100 it shows 120 to 140
                b.moves.append(["a1", "intent", "sending", "", "", at, shown])
                for create in b.creates.values():
                    create["time"] = f"1970-01-01T00:{int(at) // 60:02}:{int(at) % 60:02}Z"
            return change
        self.assertNotIn("I6", self.seen(send(90, 130), hours={"l": [(125, 135)]}))
        self.assertIn("I6", self.seen(send(90, 130), hours={"l": [(85, 95)]}))
        self.assertNotIn("I6", self.seen(send(80, 120.1), hours={"l": [(75, 85)]}))  # asked right before it jumped
        self.assertEqual(oracle.truly([(70, 90), (125, 150)], [(0, 0), (80, 40), (100, 0)]), [(70, 80), (85, 100), (125, 150)])

    def test_a_refusal_after_a_call_needs_its_reason(self):
        def refuse(b):
            b.entries["e2"].update(outcome="refused", reason="dnc")
        self.assertIn("I9", self.seen(refuse))
        self.assertNotIn("I9", self.seen(refuse, spared=[("+2", None)]))

    def test_an_entry_that_vanished_or_never_ends(self):
        self.assertIn("I3", self.seen(lambda b: b.entries.pop("e4")))
        self.assertIn("I3", self.seen(lambda b: b.entries["e1"].update(state="dialing")))

    def test_a_call_that_nobody_knows(self):
        self.assertIn("I4", self.seen(lambda b: b.attempts["a1"].update(sid="")))
        b = books()
        b.attempts["a1"]["sid"] = ""
        self.assertEqual(oracle.lost(b), 1)

    def test_a_call_that_gets_its_attempt_late(self):
        def late(at, back=0):
            def change(b):
                b.bound["CA1"] = at
                b.clock = [(0, back), (90, 0)]
            return change
        limit = 100 + oracle.BOUND_WITHIN_S
        self.assertIn("I4", self.seen(late(limit + 1)))
        self.assertNotIn("I4", self.seen(late(limit - 1)))
        self.assertNotIn("I4", self.seen(late(limit + 1), stops=[(110, 114)]))
        self.assertNotIn("I4", self.seen(late(limit + 39, back=40)))
        self.assertIn("I4", self.seen(late(limit + 41, back=40)))

    def test_slots(self):
        self.assertIn("I5", self.seen(lambda b: b.attempts["a3"].update(state="unknown")))
        self.assertIn("I5", self.seen(lambda b: None, samples=[("l", 6, 5)]))
        self.assertIn("I5", self.seen(lambda b: b.holders.append(["1", "somebody"])))

    def test_a_create_that_left_too_late(self):
        at, late = 100, oracle.ON_ITS_WAY_S + 0.5  # of both creates

        def mark(b):  # long before
            for attempt in b.attempts.values():
                attempt["sent"] = 1
        self.assertIn("I6", self.seen(mark, pauses=[("1", at - late, at + 1)]))
        self.assertNotIn("I6", self.seen(mark, pauses=[("1", at - 1, at + 1)]))
        self.assertNotIn("I6", self.seen(mark, pauses=[("1", at - late, at + 1)], stops=[(at - 3, at - 1)]))
        self.assertIn("I6", self.seen(mark, spared=[("+1", at - late)]))
        self.assertIn("I6", self.seen(mark, hours={"l": [(at - 50, at - late), (at + 1, at + 50)]}))
        self.assertNotIn("I6", self.seen(mark, hours={"l": [(at - 1, at + 1)]}))

    def test_a_send_in_a_pause(self):
        self.assertIn("I6", self.seen(lambda b: None, pauses=[("1", 99.0, 101.0)]))
        self.assertEqual(self.seen(lambda b: None, pauses=[("1", 101.0, 102.0)]), set())

    def test_a_status_that_goes_back(self):
        self.assertIn("I7", self.seen(lambda b: b.moves.append(["a1", "placed", "placed", "in-progress", "ringing", 1, 1])))
        self.assertIn("I7", self.seen(lambda b: b.moves.append(["a1", "ended", "placed", "completed", "completed", 1, 1])))

    def test_a_verdict_against_the_carrier(self):
        self.assertIn("I9", self.seen(lambda b: b.attempts["a3"].update(token="t1")))
        self.assertIn("I9", self.seen(lambda b: b.attempts["a1"].update(status="busy")))
        self.assertIn("I9", self.seen(lambda b: b.entries["e2"].update(outcome="completed")))

    def test_time_to_resolve(self):
        self.assertEqual(oracle.resolve_times(books()), [(12.0, "abandoned")])


if __name__ == "__main__":
    unittest.main()
