"""The invariants, checked after quiet against two independent books: PostgreSQL and the carrier's log of creates."""
import base64
import concurrent.futures
import datetime
import hashlib
import hmac
import http.client
import json
import random
import socket
from urllib.parse import urlencode

from system import STARTED, TOKEN

RANK = {"": -1, "queued": 0, "initiated": 1, "ringing": 2, "in-progress": 3,
        "completed": 4, "busy": 4, "no-answer": 4, "failed": 4, "canceled": 4}
REPLAYERS = 8
# From the mark that an attempt is sent, which is where a pause, the hours and a do-not-call rule act, to the carrier's
# note that it was: the gate's patience, the request's time-out, and a busy machine. A process that was stopped between
# the two adds that.
ON_ITS_WAY_S = 4.0
# Until a call that the carrier accepted has its attempt. Whoever goes by PostgreSQL's clock waits again for what it was
# put back, and a process that is stopped for as long as it is.
BOUND_WITHIN_S = 30.0
OPEN = ("intent", "sending", "placed", "unknown")
OUTCOME = {"completed": ("completed", "machine"), "busy": ("busy",), "no-answer": ("no_answer",),
           "failed": ("failed",), "canceled": ("no_answer", "cancelled")}
HOOK_PATH = {"status": "status", "amd": "amd", "answer": "answer", "stream": "stream", "stream_ended": "stream-ended"}

# PostgreSQL's clock jumps: near a jump it may have read one hour and noted another.
NEAR_A_JUMP_S = 0.5

# Every move of an attempt, written by PostgreSQL itself in the transaction that makes it, by two clocks: its own,
# which jumps, and the machine's uptime, which does not.
AUDIT = """
CREATE FUNCTION chaos_uptime() RETURNS float8 LANGUAGE sql SECURITY DEFINER AS $$
  SELECT split_part(pg_read_file('/proc/uptime'), ' ', 1)::float8 $$;
CREATE TABLE chaos_moves (id bigserial PRIMARY KEY, attempt_id uuid, entry_id bigint, list_id bigint, was text, now_is text,
                          status_was text, status_now text, call_sid text, at timestamptz DEFAULT clock_timestamp(),
                          uptime float8 DEFAULT chaos_uptime());
CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    INSERT INTO chaos_moves (attempt_id, entry_id, list_id, was, now_is)
    VALUES (OLD.id, OLD.entry_id, OLD.list_id, OLD.state, 'deleted');
    RETURN OLD;
  ELSIF TG_OP = 'INSERT' THEN
    INSERT INTO chaos_moves (attempt_id, entry_id, list_id, was, now_is)
    VALUES (NEW.id, NEW.entry_id, NEW.list_id, '', NEW.state);
  ELSIF OLD.state <> NEW.state OR OLD.call_status IS DISTINCT FROM NEW.call_status
      OR OLD.call_sid IS DISTINCT FROM NEW.call_sid THEN
    INSERT INTO chaos_moves (attempt_id, entry_id, list_id, was, now_is, status_was, status_now, call_sid)
    VALUES (NEW.id, NEW.entry_id, NEW.list_id, OLD.state, NEW.state, OLD.call_status, NEW.call_status, NEW.call_sid);
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER chaos_note AFTER INSERT OR UPDATE OR DELETE ON attempts FOR EACH ROW EXECUTE FUNCTION chaos_note();
"""


class Books:
    """What both sides say, read once everything is quiet."""

    def __init__(self, system):
        self.system = system
        self.creates = system.creates()
        self.clock = system.clock
        self.attempts = {row[0]: dict(zip(("id", "entry", "list", "n", "state", "token", "sid", "status"), row), sent=0)
                         for row in system.sql("SELECT id, entry_id, list_id, n, state, token, coalesce(call_sid, ''), "
                                               "coalesce(call_status, '') FROM attempts", 20)}
        self.entries = {row[0]: dict(zip(("id", "list", "phone", "state", "outcome", "reason"), row))
                        for row in system.sql("SELECT id, list_id, coalesce(phone, ''), state, coalesce(outcome, ''), reason FROM entries", 20)}
        self.lists = {row[0]: dict(zip(("id", "name", "state", "max", "concurrency"), row))
                      for row in system.sql("SELECT id, name, state, max_attempts, concurrency FROM lists", 20)}
        # The time of each twice: the true one, and PostgreSQL's.
        self.moves = [(*row[:5], STARTED + float(row[5]), float(row[6])) for row in system.sql(
            "SELECT attempt_id, was, now_is, coalesce(status_was, ''), coalesce(status_now, ''), uptime, "
            "extract(epoch FROM at) FROM chaos_moves ORDER BY id", 20)]
        self.bound = {sid: STARTED + float(at) for sid, at in system.sql(
            "SELECT call_sid, min(uptime) FROM chaos_moves WHERE call_sid IS NOT NULL GROUP BY 1", 20)}
        for attempt, _, now, _, _, at, _ in self.moves:
            if now == "sending" and attempt in self.attempts:
                self.attempts[attempt]["sent"] = at
        self.holders = system.sql("SELECT list_id, holder FROM list_drivers WHERE holder IS NOT NULL AND expires_at > now()", 20)
        self.calls, self.span = {}, {}  # final status; (created, ended) in seconds since 1970
        for sid in self.creates:
            events = system.dir / "truth" / sid / "events.jsonl"
            lines = [json.loads(line) for line in events.read_text().splitlines()] if events.exists() else []
            end = next((e for e in lines if e["event"] == "ended"), {"status": "?", "ms": 0})
            begin = next((seconds(e["time"]) for e in lines if e["event"] == "created"), 0)
            self.calls[sid] = end["status"]
            self.span[sid] = (begin, begin + end["ms"] / 1000)


def seconds(rfc3339):
    return datetime.datetime.fromisoformat(rfc3339.replace("Z", "+00:00")).timestamp()


def latest(create, sent, stops):
    """When the carrier may have noted a create at the latest that was marked just before `sent`."""
    at = seconds(create["time"])
    return sent + ON_ITS_WAY_S + in_between(stops, sent, at)


def truly(spans, clock):
    """The true times at which PostgreSQL's clock was in one of the spans."""
    out = []
    for (since, ahead), (until, _) in zip(clock, [*clock[1:], (float("inf"), 0)]):
        shown = [(max(first - ahead, since), min(last - ahead, until)) for first, last in spans]
        out += [(first, last) for first, last in shown if first < last]
    return out


def in_between(spans, begin, end):
    """The length of the spans that touch that time."""
    return sum(last - first for first, last in spans if first < end and last > begin)


def put_back(clock, begin, end):
    """By how much PostgreSQL's clock was put back from a while before that time on: an attempt has the time of before."""
    steps = zip(clock, clock[1:])
    return sum(max(0, was - now) for (_, was), (at, now) in steps if begin - BOUND_WITHIN_S < at < end)


def time_to_bind(books):
    """Seconds from the carrier's note of a call until its attempt had it, by SID."""
    return {sid: books.bound[sid] - seconds(create["time"]) for sid, create in books.creates.items() if sid in books.bound}


def check(books, handed_in, samples, pauses, spared=(), hours=None, stops=()):
    """A list of violations: (invariant, text). `spared`: numbers, and when they were on the do-not-call list (None: they
    may be). `hours`: when the lists of those names may be dialed, as spans of seconds since 1970 by PostgreSQL's clock.
    `stops`: when processes were stopped. All other times are true ones."""
    bad = []
    by_token, by_number, by_sid = {}, {}, {}
    for sid, create in books.creates.items():
        by_token.setdefault(create["token"], []).append(sid)
        by_number.setdefault(create["to"], []).append(create)
    for attempt in books.attempts.values():
        by_sid.setdefault(attempt["sid"], []).append(attempt)
    by_entry = {}
    for attempt in books.attempts.values():
        by_entry.setdefault(attempt["entry"], []).append(attempt)

    for token, sids in by_token.items():
        if len(sids) > 1:
            bad.append(("I1", f"{len(sids)} creates of the attempt {token}"))
    for number, creates in by_number.items():
        spans = sorted(books.span[c["sid"]] for c in creates)
        if any(second[0] < first[1] for first, second in zip(spans, spans[1:])):
            bad.append(("I2", f"two calls to {number} at the same time"))
    for entry in books.entries.values():
        attempts = by_entry.get(entry["id"], [])
        most = int(books.lists[entry["list"]]["max"])
        if len(attempts) > most or sum(a["state"] in OPEN for a in attempts) > 1:
            bad.append(("I2", f"entry {entry['id']}: {len(attempts)} attempts of {most}"))
        if len(by_number.get(entry["phone"], [])) > len(attempts):
            bad.append(("I1", f"entry {entry['id']}: more creates than attempts"))
        if entry["state"] != "done":
            bad.append(("I3", f"entry {entry['id']} is {entry['state']}"))
    if len(books.entries) != handed_in:
        bad.append(("I3", f"{handed_in} entries handed in, {len(books.entries)} there"))
    for sid, create in books.creates.items():
        owners = by_sid.get(sid, [])
        if len(owners) != 1 or owners[0]["token"] != create["token"]:
            bad.append(("I4", f"call {sid} to {create['to']} belongs to {[a['id'] for a in owners]}"))
    for sid, took in time_to_bind(books).items():
        begin = seconds(books.creates[sid]["time"])
        at = begin + took
        if took > BOUND_WITHIN_S + in_between(stops, begin, at) + put_back(books.clock, begin, at):
            bad.append(("I4", f"call {sid} was bound only after {took:.1f} s"))
    for attempt in books.attempts.values():
        if attempt["state"] in OPEN:
            bad.append(("I5", f"attempt {attempt['id']} is still {attempt['state']}"))
    for list_id, holder in books.holders:
        bad.append(("I5", f"list {list_id} is still held by {holder}"))
    for name, opened, cap in samples:
        if opened > cap:
            bad.append(("I5", f"{name}: {opened} open, the cap is {cap}"))
    for list_id, begin, end in pauses:
        for attempt in books.attempts.values():
            if attempt["list"] == list_id and begin < attempt["sent"] < end:
                bad.append(("I6", f"attempt {attempt['id']} was sent while its list was paused"))
    for number, since in spared:
        for attempt in books.attempts.values():
            if since and books.entries[attempt["entry"]]["phone"] == number and attempt["sent"] > since:
                bad.append(("I6", f"attempt {attempt['id']} was sent after {number} was not to be called any more"))
    # The same by the carrier's clock: what the books say was sent in time also left in time.
    for create in books.creates.values():
        attempt = next((a for a in books.attempts.values() if a["token"] == create["token"]), None)
        if not attempt:
            continue
        at = seconds(create["time"])
        for list_id, begin, end in pauses:
            if attempt["list"] == list_id and latest(create, begin, stops) < at < end:
                bad.append(("I6", f"the carrier was asked for {create['sid']} while its list was paused"))
        for number, since in spared:
            if since and create["to"] == number and at > latest(create, since, stops):
                bad.append(("I6", f"the carrier was asked for {create['sid']} after {number} was not to be called any more"))
        spans = truly((hours or {}).get(books.lists[attempt["list"]]["name"], ()), books.clock)
        if spans and not any(first <= at <= latest(create, last, stops) for first, last in spans):
            bad.append(("I6", f"the carrier was asked for {create['sid']} outside its list's hours"))
    for attempt, _, now, _, _, at, shown in books.moves:
        spans = (hours or {}).get(books.lists[books.attempts[attempt]["list"]]["name"]) if attempt in books.attempts else None
        # It is asked a moment before it is noted.
        jumped = any(abs(at - since) < NEAR_A_JUMP_S for since, _ in books.clock)
        if spans and now == "sending" and not jumped and not any(first <= shown < last + 0.5 for first, last in spans):
            bad.append(("I6", f"attempt {attempt} was sent outside its list's hours"))
    for attempt, was, now, status_was, status_now, _, _ in books.moves:
        if RANK[status_now] < RANK[status_was] or (RANK[status_was] == 4 and status_now != status_was):
            bad.append(("I7", f"attempt {attempt}: {status_was} -> {status_now}"))
        if was in ("ended", "rejected") and now != was:
            bad.append(("I7", f"attempt {attempt}: {was} -> {now}"))
    for attempt in books.attempts.values():
        calls = by_token.get(attempt["token"], [])
        if attempt["state"] in ("abandoned", "rejected") and calls:
            bad.append(("I9", f"attempt {attempt['id']} is {attempt['state']}, but the carrier made {calls[0]}"))
        if attempt["state"] == "ended" and (not calls or books.calls[calls[0]] != attempt["status"]):
            bad.append(("I9", f"attempt {attempt['id']}: {attempt['status']}, the carrier says "
                              f"{[books.calls[c] for c in calls]}"))
        last = max(by_entry[attempt["entry"]], key=lambda a: int(a["n"]))
        entry = books.entries[attempt["entry"]]
        refused = entry["reason"] == "dnc" and any(number == entry["phone"] for number, _ in spared)
        fits = entry["outcome"] in OUTCOME.get(attempt["status"], ()) or refused
        if attempt is last and attempt["state"] == "ended" and not fits:
            bad.append(("I9", f"entry {entry['id']} is {entry['outcome']}, its call {attempt['status']}"))
    return bad


def duplicates(books):
    """Creates beyond the first of an attempt or beyond the attempts of an entry, by the carrier's log alone."""
    tokens, extra = set(), 0
    for create in books.creates.values():
        extra += create["token"] in tokens
        tokens.add(create["token"])
    return extra


def lost(books):
    """Entries that vanished or never end, and calls of the carrier that nobody knows."""
    known = {a["sid"] for a in books.attempts.values()}
    return (sum(e["state"] != "done" for e in books.entries.values())
            + sum(sid not in known for sid in books.creates))


def resolve_times(books):
    """Seconds that each attempt was unknown, and how it ended: (seconds, state)."""
    since, out = {}, []
    for attempt, was, now, _, _, at, _ in books.moves:
        if now == "unknown" and was != "unknown":
            since[attempt] = at
        elif was == "unknown" and now != "unknown" and attempt in since:
            out.append((at - since.pop(attempt), now))
    return out


def signature(url, params):
    text = url + "".join(k + v for k, v in sorted(params.items()))
    return base64.b64encode(hmac.new(TOKEN.encode(), text.encode(), hashlib.sha1).digest()).decode()


def replay_some(system, name, jobs):
    """Sends them over one connection, each as a request of its own; how many were refused."""
    connection = http.client.HTTPConnection("127.0.0.1", system.port["api"], timeout=60)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    refused = 0
    for n, (kind, token, params) in enumerate(jobs):
        path = f"/twilio/{HOOK_PATH[kind]}/{token}"
        params = {k: str(v) for k, v in json.loads(params).items()}
        connection.request("POST", path, urlencode(params), {
            "Content-Type": "application/x-www-form-urlencoded", "I-Twilio-Idempotency-Token": f"replay-{name}-{n}",
            "X-Twilio-Signature": signature(f"http://127.0.0.1:{system.port['api']}{path}", params)})
        answer = connection.getresponse()
        answer.read()
        refused += answer.status >= 300
    connection.close()
    return refused


def replay(system, seed, most=None):
    """I8: sends all webhooks, or so many, again, twice, in random order; the rows must stay as they are. Returns (sent, violations)."""
    snapshot = ("SELECT md5(string_agg(x, ',' ORDER BY x)) FROM (SELECT concat_ws('/', id, state, call_sid, call_status, "
                "duration_s, ended_at) AS x FROM attempts UNION ALL SELECT concat_ws('/', id, state, outcome, reason) "
                "FROM entries) s")
    before = system.sql(snapshot, 20)
    rows = system.sql("SELECT kind, token, params::text FROM call_events WHERE kind <> 'fetched' ORDER BY random() "
                      f"LIMIT {most or 'ALL'}", 20)
    rng = random.Random(seed)
    jobs = rows * 2
    rng.shuffle(jobs)
    with concurrent.futures.ThreadPoolExecutor(REPLAYERS) as pool:
        refused = sum(pool.map(lambda n: replay_some(system, f"{seed}-{n}", jobs[n::REPLAYERS]), range(REPLAYERS)))
    bad = []
    if refused:
        bad.append(("I8", f"{refused} replayed webhooks were refused"))
    if system.sql(snapshot, 20) != before:
        bad.append(("I8", "replayed webhooks changed something"))
    return len(jobs), bad
