"""For contrast: a plain Python worker that dials lists the usual way, under the same faults and the same oracle.

    python3 tests/chaos/baseline.py build/release/bin --trials 1000 --seed 7

It does what the system did that calld replaces (docs/predecessor.md): an RQ job loops over the rows of a run, takes a
row by a conditional UPDATE, creates the call over HTTP and writes the SID afterwards; an error puts the row back in line,
the terminal webhook is matched by SID, rows that dial without a SID are failed when a run starts. Rows live in SQLite;
nothing else differs in kind. It needs Debian's python3-rq and python3-redis.
"""
import argparse
import base64
import collections
import http.client
import http.server
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.parse
import uuid

HERE = pathlib.Path(__file__).resolve().parent
SLOTS = 15
STUCK_S = 12  # the original: ten minutes


def database():
    connection = sqlite3.connect(os.environ["BASELINE_DB"], timeout=30, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    return connection


def point(name, number):
    """The crash points of the worker, as calld-chaos has them, at the same places of this one."""
    order = ORDERS.get(f"{name} {number}")
    if order is None:
        return
    done = pathlib.Path(os.environ["BASELINE_PLAN"] + f".{order[0]}")
    try:
        done.touch(exist_ok=False)
    except FileExistsError:
        return
    if order[1] == "stop":
        subprocess.Popen(["sh", "-c", f"sleep 4.2; kill -CONT {os.getpid()}"])
        os.kill(os.getpid(), signal.SIGSTOP)
    elif order[1] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)


def read_orders():
    plan = os.environ.get("BASELINE_PLAN")
    lines = pathlib.Path(plan).read_text().splitlines() if plan else []
    return {line.split(" ", 1)[1]: (n, line.split(" ", 1)[0]) for n, line in enumerate(lines)}


ORDERS = read_orders()


# --- the worker

def create_call(number, sender, job_id):
    """One POST; anything but 201 with a SID is an error."""
    public = f"http://127.0.0.1:{os.environ['BASELINE_WEB']}"
    body = urllib.parse.urlencode([("To", number), ("From", sender), ("Twiml", "<Response><Pause length='1'/></Response>"),
                                   ("StatusCallback", f"{public}/webhook/call_status/{job_id}")] +
                                  [("StatusCallbackEvent", e) for e in ("initiated", "ringing", "answered", "completed")])
    account = os.environ["BASELINE_ACCOUNT"]
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["BASELINE_SIM"]), timeout=2)
    connection.connect()
    point("http.connected", number)
    connection.request("POST", f"/2010-04-01/Accounts/{account}/Calls.json", body, {
        "Content-Type": "application/x-www-form-urlencoded", "Authorization": "Basic " + base64.b64encode(
            f"{account}:{os.environ['BASELINE_TOKEN']}".encode()).decode()})
    point("http.mid_request", number)
    point("http.sent", number)
    answer = connection.getresponse()
    point("http.mid_response", number)
    document = json.loads(answer.read())
    if answer.status != 201:
        raise RuntimeError(f"HTTP {answer.status}")
    return document["sid"] or 1 / 0


def process_bulk_call_run(run_id):
    """The job of one run."""
    db = database()
    db.execute("UPDATE jobs SET status = 'failed', error = 'stuck' WHERE status = 'dialing' AND sid IS NULL AND run = ?", (run_id,))
    while True:
        db.execute("UPDATE jobs SET status = 'failed', error = 'too old' WHERE status = 'calling' AND run = ? AND started < ?",
                   (run_id, time.time() - STUCK_S))
        active = db.execute("SELECT count(*) FROM jobs WHERE run = ? AND status IN ('dialing', 'calling')", (run_id,)).fetchone()[0]
        row = db.execute("SELECT id, number FROM jobs WHERE run = ? AND status = 'queued' ORDER BY tries, id LIMIT 1", (run_id,)).fetchone()
        if row is None and active == 0:
            return
        if row is None or active >= SLOTS:
            time.sleep(0.05)
            continue
        dial(db, *row, run_id)


def dial(db, job_id, number, run_id):
    token = str(uuid.uuid4())
    taken = db.execute("UPDATE jobs SET status = 'dialing', token = ?, started = ?, tries = tries + 1 WHERE id = ? AND status = 'queued' "
                       "AND sid IS NULL", (token, time.time(), job_id)).rowcount
    if not taken:
        return
    for name in ("claim.committing", "claim.after", "sending.before", "sending.committing", "sending.after"):
        point(name, number)
    try:
        sid = create_call(number, f"+1500555{run_id % 10000:04d}", job_id)
    except Exception as error:  # the original: reset to queued, no counter; here five tries, so that it ends
        db.execute("UPDATE jobs SET status = CASE WHEN tries < 5 THEN 'queued' ELSE 'failed' END, error = ? WHERE id = ? AND token = ?",
                   (str(error), job_id, token))
        return
    for name in ("settle.before", "settle.committing"):
        point(name, number)
    db.execute("UPDATE jobs SET status = 'calling', sid = ? WHERE id = ? AND token = ?", (sid, job_id, token))
    point("settle.after", number)


# --- the webhooks

class Webhook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        point("webhook.before", form.get("To"))
        status = form.get("CallStatus")
        if status in ("completed", "busy", "no-answer", "failed", "canceled"):
            db = database()
            db.execute("UPDATE jobs SET status = ? WHERE sid = ? AND status IN ('dialing', 'calling')",
                       ("completed" if status == "completed" else "failed", form["CallSid"]))
            db.close()
            point("webhook.after", form.get("To"))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


# --- the run

def main():
    sys.path.insert(0, str(HERE))
    import faults
    from system import ACCOUNT, TOKEN, Process, System

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    trials = faults.draw_trials(args.seed, 0, args.trials, 40)
    system = System(args.bin, "/bin/false", args.seed)
    with open(system.dir / "callers.toml", "a") as script:
        for number, pickup in faults.draw_pickups(args.seed, 0, trials).items():
            if pickup != "answer":
                script.write(f'[[caller]]\nnumber = "{number}"\npickup = "{pickup}"\n')
    plan = system.dir / "plan"
    plan.write_text("".join(t.order + "\n" for t in trials if t.order))
    env = {"BASELINE_DB": str(system.dir / "jobs.db"), "BASELINE_PLAN": str(plan), "BASELINE_WEB": str(system.port["api"]),
           "BASELINE_SIM": str(system.port["sim"]), "BASELINE_ACCOUNT": ACCOUNT, "BASELINE_TOKEN": TOKEN,
           "PYTHONPATH": str(HERE)}
    os.environ.update(env)
    db = database()
    db.execute("CREATE TABLE jobs (id INTEGER PRIMARY KEY, run INT, number TEXT, status TEXT DEFAULT 'queued', token TEXT, "
               "sid TEXT, started REAL, tries INT DEFAULT 0, error TEXT)")
    for n, trial in enumerate(trials):
        db.execute("INSERT INTO jobs (run, number) VALUES (?, ?)", (n // 40, trial.number))
    url = f"redis://127.0.0.1:{system.port['redis']}"
    python = "/usr/bin/python3"  # Debian's own has Debian's rq
    web = Process("web", [python, __file__, "--webhooks"], system.dir / "log" / "web.log", env)
    workers = [Process(f"rq{n}", [python, "-m", "rq.cli", "worker", "-u", url, "-q", "default"], system.dir / "log" / f"rq{n}.log",
                       env, cwd=HERE) for n in range(6)]
    processes = [web, *workers, system.sim, system.redis]
    try:
        system.redis.start()
        system.sim.start()
        system.wait(lambda: system.get("sim", "/readyz"), 60, "simulator")
        system.add_faults([t.rule for t in trials if t.rule])
        for process in [web, *workers]:
            process.start()
        run_all(db, url, python, env, [web, *workers], (args.trials + 39) // 40)
        system.wait(lambda: (system.get("sim", "/readyz") or "").startswith("ready, 0 calls"), 60, "the calls end")
        judge(db, system.creates(), trials)
    finally:
        for process in processes:
            process.end(signal.SIGKILL)
        system.remove()


def run_all(db, url, python, env, processes, runs):
    """Operators restart what died, and start a run again that nobody works on."""
    enqueue = ("import sys, redis, rq\nq = rq.Queue(connection=redis.Redis.from_url(sys.argv[1]))\n"
               "for run in sys.argv[2:]: q.enqueue('baseline.process_bulk_call_run', int(run), job_timeout=7200)\n")

    def start(numbers):
        subprocess.run([python, "-c", enqueue, url, *map(str, numbers)], env={**os.environ, **env}, check=True)

    start(range(runs))
    progress, moved = None, time.monotonic()
    while True:
        for process in processes:
            if not process.alive():
                process.start()
        left = db.execute("SELECT run, count(*) FROM jobs WHERE status NOT IN ('completed', 'failed') GROUP BY run").fetchall()
        if not left:
            return
        if left != progress:
            progress, moved = left, time.monotonic()
        elif time.monotonic() - moved > STUCK_S:
            start([run for run, _ in left])
            moved = time.monotonic()
        time.sleep(0.3)


def judge(db, creates, trials):
    by_number = collections.Counter(c["to"] for c in creates.values())
    kinds = {t.number: t.kind for t in trials}
    twice = {n: c for n, c in by_number.items() if c > 1}
    known = {row[0] for row in db.execute("SELECT sid FROM jobs WHERE sid IS NOT NULL")}
    orphans = [c for sid, c in creates.items() if sid not in known]
    called_but_failed = db.execute("SELECT number FROM jobs WHERE status = 'failed' AND sid IS NULL").fetchall()
    never = [n for n in kinds if n not in by_number]
    print(f"trials             {len(trials)}")
    print(f"creates accepted   {len(creates)}")
    print(f"duplicates         {sum(c - 1 for c in twice.values())} calls too many, to {len(twice)} numbers; most to one: {max(by_number.values())}")
    print(f"lost               {len(orphans)} calls that no row knows")
    print(f"booked as failed   {len(called_but_failed)} rows without a SID, {sum(n in by_number for n, in called_but_failed)} of them were called")
    print(f"never called       {len(never)} numbers")
    print("duplicates by fault")
    for kind, count in collections.Counter(kinds[n] for n in twice).most_common():
        print(f"  {count:6}  {kind}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--webhooks"]:
        http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["BASELINE_WEB"])), Webhook).serve_forever()
    else:
        main()
