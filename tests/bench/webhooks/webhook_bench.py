"""How many webhooks a second the API takes, how long each waits, and what of it is PostgreSQL's.

    python3 tests/bench/webhooks/webhook_bench.py build/release/bin [--calls 5000] [--connections 16]

Each call is an attempt in PostgreSQL, placed; its four status callbacks (initiated, ringing, in-progress, completed) are
signed and sent in order by webhook_load, with PostgreSQL waiting for the disk. Two baselines of the same run: /healthz
asked as often, which is HTTP without a database; and pgbench, which is the database without HTTP: as many connections,
each with the plainest transaction that keeps a webhook (lock the attempt, insert the event, update the attempt, commit).
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "chaos"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "dialer"))
from dialer_bench import bench_system, cpu_s, make_list, remove  # noqa: E402
from system import TOKEN  # noqa: E402

PLACE = """
WITH made AS (
  INSERT INTO attempts (tenant_id, list_id, entry_id, n, state, token, epoch, to_number, from_number, call_sid, sent_at, placed_at)
  SELECT e.tenant_id, e.list_id, e.id, 1, 'placed', md5('token' || e.id), 1, e.phone, l.from_number, 'CA' || md5('sid' || e.id),
         now(), now() FROM entries e JOIN lists l ON l.id = e.list_id WHERE e.state = 'pending'
  RETURNING token, call_sid, to_number, from_number, entry_id), dialing AS (
  UPDATE entries SET state = 'dialing' WHERE id IN (SELECT entry_id FROM made))
SELECT token, call_sid, to_number, from_number FROM made
"""


PLAIN = """
\\set n random(1, {calls})
BEGIN;
SELECT id AS attempt, tenant_id AS tenant FROM attempts WHERE token = md5('plain' || :n) FOR UPDATE \\gset
INSERT INTO call_events (tenant_id, attempt_id, dedup, kind, token, call_sid, call_status, sequence, answered_by, error_code,
  error_message, occurred_at, params) VALUES (:tenant, :attempt, gen_random_uuid(), 'status', 'plain', 'CA', 'ringing', 1, '',
  '', '', now(), '{{"CallSid": "CA00000000000000000000000000000001", "CallStatus": "ringing", "SequenceNumber": "1"}}');
UPDATE attempts SET call_status = 'ringing', status_sequence = 1 WHERE id = :attempt;
COMMIT;
"""


def plain(args, system):
    """Transactions a second of pgbench over as many calls, and CPU ms of PostgreSQL for each."""
    script = system.dir / "plain.sql"
    script.write_text(PLAIN.format(calls=args.calls))
    before = cpu_s(system.postgres.pid), committed(system)
    run = subprocess.run([system.pg_bin / "pgbench", "-n", "-c", str(args.connections), "-j", "1", "-T", "5", "-M", "prepared",
                          "-f", script, system.database], text=True, capture_output=True, check=False)
    if run.returncode != 0:
        raise AssertionError(run.stderr)
    tps = float(re.search(r"tps = ([0-9.]+)", run.stdout).group(1))
    return tps, 1000 * (cpu_s(system.postgres.pid) - before[0]) / (committed(system) - before[1])


def load(args, system, *words):
    run = subprocess.run([pathlib.Path(args.bin) / "webhook_load", f"127.0.0.1:{system.port['api']}", TOKEN, *map(str, words)],
                         text=True, capture_output=True, check=True)
    return json.loads(run.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin")
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--connections", type=int, default=16)
    args = parser.parse_args()
    system = bench_system(args, "", workers=0)
    with system:
        for n in range(5):
            make_list(system, f"list-{n}", args.calls // 5, 2000000 + n * 100000, 100)
        system.sql("UPDATE lists SET state = 'running'")
        calls = system.dir / "calls"
        calls.write_text("".join(" ".join(row) + "\n" for row in system.sql(PLACE)))
        baseline = load(args, system, "-", args.connections, args.calls * 4)
        before = cpu_s(system.api.pid), cpu_s(system.postgres.pid), wal(system), committed(system)
        result = load(args, system, calls, args.connections)
        after = cpu_s(system.api.pid), cpu_s(system.postgres.pid), wal(system), committed(system)
        ended = int(system.sql("SELECT count(*) FROM attempts WHERE state = 'ended'")[0][0])
        system.sql("UPDATE attempts SET token = md5('plain' || place) FROM (SELECT id AS attempt, row_number() OVER () AS place "
                   "FROM attempts) a WHERE id = attempt")
        system.sql("VACUUM ANALYZE")
        plain_tps, plain_ms = plain(args, system)
    remove(system)
    n = result["requests"]
    api, postgres, bytes_, commits = (b - a for a, b in zip(before, after))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {args.connections} connections")
    print(f"webhooks   {result['per_second']:.0f}/s (goal 2000), p50 {result['p50_ms']:.1f} ms, p99 {result['p99_ms']:.1f} ms (goal 20), "
          f"{n} sent, {ended} calls ended")
    print(f"cost       {1000 * api / n:.2f} ms CPU in the API, {1000 * postgres / n:.2f} ms in PostgreSQL, {bytes_ / n:.0f} bytes of WAL, "
          f"{commits / n:.2f} transactions each")
    print(f"baseline   {baseline['per_second']:.0f}/s of /healthz, p99 {baseline['p99_ms']:.1f} ms: a webhook takes "
          f"{baseline['per_second'] / result['per_second']:.1f}x the time of a request without a database")
    print(f"baseline   {plain_tps:.0f}/s of plain transactions by pgbench, {plain_ms:.2f} ms CPU in PostgreSQL each: a webhook through "
          f"the API costs the database {1000 * postgres / n / plain_ms:.2f}x of that, and there are {result['per_second'] / plain_tps:.2f}x as many")
    good = result["per_second"] >= 2000 and result["p99_ms"] < 20 and ended == args.calls // 5 * 5
    return 0 if good else 1


def committed(system):
    """Transactions so far. Statistics are a moment late."""
    time.sleep(1.2)
    return int(system.sql("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")[0][0])


def wal(system):
    return int(system.sql("SELECT pg_current_wal_lsn() - '0/0'")[0][0])


if __name__ == "__main__":
    sys.exit(main())
