r"""How fast one worker makes calls, what a call costs, and how well a rate is kept.

    python3 tests/bench/dialer/dialer_bench.py build/release/bin creates [--calls 5000]
    python3 tests/bench/dialer/dialer_bench.py build/release/bin pacing  [--seconds 60]
    python3 tests/bench/dialer/dialer_bench.py build/release/bin claim
    python3 tests/bench/dialer/dialer_bench.py build/release/bin import  [--rows 100000]
    python3 tests/bench/dialer/dialer_bench.py build/release/bin takeover [--kills 10]

creates: the simulated carrier answers after 100 ms; one worker, no limit of calls per second. Each call is claimed,
  marked, posted and settled, with PostgreSQL waiting for the disk. The baseline of the same run posts the same
  requests to the same carrier from 64 Python threads and remembers nothing.
pacing: three lists of two tenants on one account at 30 calls a second, two workers. Times are the carrier's.
claim: the driver's own claim (claim_bench) in lists of 1,000 to 100,000 entries, while they are worked off, and the plan
  of the statement that finds the entries, as PostgreSQL's auto_explain logged it when it ran.
import: `callctl list create` of a CSV; the baseline is psql's \copy of the same file into a table of text.
takeover: the worker that drives a list is killed (SIGKILL); how long until another one has its lease, and until the
  carrier gets the list's next call. With the default lease (4 s).
The carrier keeps its books in memory: they are not what is measured here.
"""
import argparse
import base64
import collections
import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "chaos"))
from oracle import seconds  # noqa: E402
from system import ACCOUNT, TOKEN, System  # noqa: E402

SCRIPT = """
[carrier]
answer_delay_ms = 100
[[fault]]
webhooks = "lose"
"""


def cpu_s(pid):
    """Processor time of a process and of its children, those that have ended, too."""
    total = 0
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(entry.name) == pid or int(fields[1]) == pid:
            total += int(fields[11]) + int(fields[12])
        if int(entry.name) == pid:
            total += int(fields[13]) + int(fields[14])
    return total / os.sysconf("SC_CLK_TCK")


def bench_system(args, script, workers=1, **settings):
    system = System(args.bin, pathlib.Path(args.bin) / "calld", 1, workers=workers, durable=True,
                    settings={"level": "warn", "timeout": 30, "lease": 15, "deadline": 3600, **settings})
    with open(system.dir / "callers.toml", "w") as out:
        out.write('[defaults]\npickup = "failed"\n' + script)
    if pathlib.Path("/dev/shm").is_dir():
        (system.dir / "truth").rmdir()
        (system.dir / "truth").symlink_to(tempfile.mkdtemp(prefix="calld-bench-", dir="/dev/shm"))
    return system


def remove(system):
    shutil.rmtree((system.dir / "truth").resolve(), ignore_errors=True)
    system.remove()


def creates_so_far(system):
    """As many lines as the carrier's book has."""
    with open(system.dir / "truth" / "creates.jsonl", "rb") as book:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: book.read(1 << 20), b""))


def make_list(system, name, count, first, cps, concurrency=1000, tenant="default", priorities=1):
    csv = system.dir / f"{name}.csv"
    csv.write_text("phone,priority\n" + "".join(f"+1212{first + n:07d},{n * 7919 % priorities}\n" for n in range(count)))
    system.callctl("--tenant", tenant, "list", "create", name, csv, "--from", f"+1500555{first // 100000 % 10000:04d}",
                   "--concurrency", concurrency, "--calls-per-second", cps)


def start(system, name, tenant="default"):
    system.callctl("--tenant", tenant, "list", "start", name, "--confirm", name)


def times(system):
    return sorted(seconds(c["time"]) for c in system.creates().values())


def steady_rate(moments):
    """Calls per second between the first and the last tenth."""
    cut = len(moments) // 10
    middle = moments[cut:-cut]
    return (len(middle) - 1) / (middle[-1] - middle[0])


def baseline(system, calls):
    """The same creates without a dialer: (calls per second, CPU ms per call)."""
    auth = "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()

    def create(n):
        body = urllib.parse.urlencode({"To": f"+1213{2000000 + n}", "From": "+15005550006",
                                       "Twiml": "<Response><Hangup/></Response>"})
        connection = http.client.HTTPConnection("127.0.0.1", system.port["sim"], timeout=30)
        connection.request("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json", body, {
            "Content-Type": "application/x-www-form-urlencoded", "Authorization": auth})
        status = connection.getresponse().status
        connection.close()
        return status

    begun, cpu = time.monotonic(), time.process_time()
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        assert all(status == 201 for status in pool.map(create, range(calls)))
    return calls / (time.monotonic() - begun), (time.process_time() - cpu) * 1000 / calls


def creates(args):
    lists = 5
    each = args.calls // lists
    system = bench_system(args, SCRIPT)
    with system:
        for n in range(lists):
            make_list(system, f"list-{n}", each, 2000000 + n * 100000, 100)
        worker, postgres = system.workers[0].pid, system.postgres.pid
        before = cpu_s(worker), cpu_s(postgres)
        for n in range(lists):
            start(system, f"list-{n}")
        system.wait(lambda: creates_so_far(system) >= lists * each, 300, "all creates")
        system.wait(lambda: system.sql("SELECT count(*) FROM attempts WHERE state = 'placed'") == [[str(lists * each)]],
                    60, "all are settled")
        used = cpu_s(worker) - before[0], cpu_s(postgres) - before[1]
        moments = times(system)
        plain_rate, plain_cpu = baseline(system, 1000)
    remove(system)
    rate = steady_rate(moments)
    mine = used[0] * 1000 / len(moments)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"creates      {rate:.0f}/s from one worker (goal 300), {len(moments)} calls")
    print(f"CPU          {mine:.2f} ms per call in the worker, {used[1] * 1000 / len(moments):.2f} ms in PostgreSQL")
    print(f"baseline     {plain_rate:.0f}/s from 64 Python threads that only post, {plain_cpu:.2f} ms per call")
    print(f"ratio        {rate / plain_rate:.2f}x the calls, {mine / plain_cpu:.2f}x the CPU per call")
    return 0 if rate >= 300 else 1


def most_in_a_second(moments):
    first, most = 0, 0
    for n, moment in enumerate(moments):
        while moments[first] <= moment - 1:
            first += 1
        most = max(most, n - first + 1)
    return most


def pacing(args):
    limit = 30
    system = bench_system(args, SCRIPT.replace("100", "20"), workers=2, rate=limit)
    need = limit * args.seconds
    with system:
        system.callctl("tenant", "create", "second")
        plan = [("a", "default"), ("b", "default"), ("c", "second")]
        for n, (name, tenant) in enumerate(plan):
            make_list(system, name, min(1000, need), 2000000 + n * 100000, 100, tenant=tenant)
        for name, tenant in plan:
            start(system, name, tenant)
        time.sleep(args.seconds)
        books = system.creates()
    remove(system)
    moments = sorted(seconds(c["time"]) for c in books.values())
    by_list = collections.Counter(c["from"] for c in books.values())
    rate = (len(moments) - 1) / (moments[-1] - moments[0])
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"rate         {rate:.3f}/s over {moments[-1] - moments[0]:.0f} s, {100 * (1 - rate / limit):.2f} % below {limit} (goal: 0 to 1)")
    print(f"any second   at most {most_in_a_second(moments)} calls (goal {limit})")
    print(f"shares       {dict(by_list)}: two lists of one tenant, one of another")
    return 0 if rate <= limit and rate >= 0.99 * limit and most_in_a_second(moments) <= limit else 1


def claim(args):
    """Each list is worked off in steps; what is done lies before what waits."""
    system = bench_system(args, SCRIPT, workers=0)
    log = system.dir / "log" / "postgres.log"
    with system:
        for setting in ("session_preload_libraries = 'auto_explain'", "auto_explain.log_min_duration = 0",
                        "auto_explain.log_analyze = on", "auto_explain.log_buffers = on"):
            system.sql(f"ALTER DATABASE calld SET {setting}")
        print(f"entries     done   one claim   twenty at once   x the list's first   ({args.priorities} priorities)")
        for n, size in enumerate((1000, 10000, 100000)):
            make_list(system, f"list-{size}", size, 2000000 + n * 100000, 100, priorities=args.priorities)
            list_id = system.sql(f"SELECT id FROM lists WHERE name = 'list-{size}'")[0][0]
            system.sql(f"UPDATE lists SET state = 'running' WHERE id = {list_id}")
            system.sql("ANALYZE")
            first = None
            for percent in (0, 50, 95):
                system.sql("UPDATE entries SET state = 'done', outcome = 'completed' WHERE state <> 'done' AND id IN ("
                           f"SELECT id FROM entries WHERE list_id = {list_id} ORDER BY priority DESC, seq "
                           f"LIMIT {size * percent // 100})")
                run = subprocess.run([pathlib.Path(args.bin) / "claim_bench", system.database, list_id, "30"], text=True,
                                     capture_output=True, check=True)
                took = json.loads(run.stdout)
                first = first or took
                print(f"{size:7,}  {percent:5} %   {took['one_ms']:6.2f} ms   {took['twenty_ms']:6.2f} ms       "
                      f"{took['one_ms'] / first['one_ms']:.2f}  {took['twenty_ms'] / first['twenty_ms']:.2f}")
    plans = re.findall(r"plan:\n\tQuery Text: SELECT e\.id[^\n]*SKIP LOCKED\n((?:\t.*\n)+)", log.read_text())
    print("the last plan of the statement that finds the next entries:\n" + plans[-1].replace("\t", "  "))
    remove(system)
    return 0


def import_rows(args):
    system = bench_system(args, SCRIPT, workers=0)
    with system:
        file = system.dir / "people.csv"
        file.write_text("phone,name,city\n" + "".join(
            f"+1212{2000000 + n:07d},Contact {n},City {n % 100}\n" for n in range(args.rows)))
        begun = time.monotonic()
        system.callctl("list", "create", "people", file, "--from", "+15005550006")
        took = time.monotonic() - begun
        system.sql("CREATE TABLE plain (phone text, name text, city text)")
        begun = time.monotonic()
        subprocess.run(["psql", "-Xq", system.database, "-c", f"\\copy plain FROM '{file}' CSV HEADER"], check=True)
        plain = time.monotonic() - begun
        assert system.sql("SELECT count(*) FROM entries WHERE state = 'pending'") == [[str(args.rows)]]
    remove(system)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"import       {args.rows:,} rows in {took:.1f} s, {args.rows / took:,.0f} a second (psql's \\copy: {plain:.1f} s)")
    return 0


def takeover(args):
    system = bench_system(args, SCRIPT, workers=2, lease=4)
    leases, calls = [], []
    with system:
        make_list(system, "steady", 2000, 2000000, 20)
        start(system, "steady")

        def driver():
            """(epoch, the worker's process id) of a lease that holds."""
            rows = system.sql("SELECT epoch, holder FROM list_drivers WHERE holder IS NOT NULL AND expires_at > now()")
            return (int(rows[0][0]), re.split(r"[./]", rows[0][1])) if rows else (0, [])

        for _ in range(args.kills):
            system.wait(lambda: driver()[0] > 0, 30, "a driver")
            time.sleep(2)
            epoch, words = driver()
            by_pid = {str(worker.pid): worker for worker in system.workers}
            victim = next(by_pid[word] for word in words if word in by_pid)
            victim.signal(signal.SIGKILL)
            begun, before = time.monotonic(), creates_so_far(system)
            system.wait(lambda: driver()[0] > epoch, 60, "another driver")
            leases.append(time.monotonic() - begun)
            system.wait(lambda: creates_so_far(system) > before + 1, 60, "another call")
            calls.append(time.monotonic() - begun)
    remove(system)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {args.kills} kills, lease 4 s")
    for what, took in (("next lease", sorted(leases)), ("next call", sorted(calls))):
        print(f"{what:12} median {took[len(took) // 2]:.1f} s, longest {took[-1]:.1f} s after the death")
    return 0 if max(leases) < 6 else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin")
    parser.add_argument("what", choices=("creates", "pacing", "claim", "import", "takeover"))
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rows", type=int, default=100000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--priorities", type=int, default=1, help="over which the entries are spread whose claims are timed")
    args = parser.parse_args()
    what = {"creates": creates, "pacing": pacing, "claim": claim, "import": import_rows, "takeover": takeover}
    return what[args.what](args)


if __name__ == "__main__":
    sys.exit(main())
