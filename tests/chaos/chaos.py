"""Trials by the thousand: is any number ever called twice, is any ever lost?

    python3 tests/chaos/chaos.py build/release/bin build/release/tests/chaos/calld-chaos --trials 10000

A trial is one entry of a list, dialed by the real programs under one drawn fault. The simulated carrier is the oracle:
it writes each create that it accepts to the disk before anything else happens. The seed is printed; the same seed
draws the same trials and faults: repeat a run with --seed. Exit 0: no violation of I1 to I9 (docs/proof.md).
"""
import argparse
import collections
import concurrent.futures
import datetime
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
import zoneinfo

import faults
import oracle
from system import System, true_time

LIST_SIZE = 40
LISTS_AT_ONCE = 10
CONCURRENCY = 15
ACCOUNT_CAP = 100  # carrier.concurrency
TENANT_CAP = 80    # in each second system
CALLER_CAP = 6     # of each number of the two pools, which share one
POOL_OF = 5        # of each five lists two call from the pools
POOLS = {"pool-0": ("+15005560001", "+15005560002", "+15005560003"),
         "pool-1": ("+15005560003", "+15005560004", "+15005560005")}
STALL_S = 480  # a list with hours, open in each second minute, may meet a clock that is put back just then, more than once
TRIALS_A_SYSTEM = 2500  # then a fresh one
HOURS_OF = 5  # each fifth list has calling hours
NEW_YORK = zoneinfo.ZoneInfo("America/New_York")  # where the numbers are


def every_other_minute(now):
    """Hours that are open in each second minute from shortly before now on, the last of them for long: the policy, and
    the spans as seconds since 1970."""
    begin = int(now) // 60 * 60 - 240
    spans = [(begin + 120 * n, begin + 120 * n + 60) for n in range(20)]
    spans.append((spans[-1][0] + 120, spans[-1][0] + 12 * 3600))

    def clock(t, end=False):
        at = datetime.datetime.fromtimestamp(t, NEW_YORK).strftime("%H:%M")
        return "24:00" if end and at == "00:00" else at
    texts = []
    for first, last in spans:
        if clock(first) < clock(last, end=True):
            texts.append(f"{clock(first)}-{clock(last, end=True)}")
        else:
            texts += [f"{clock(first)}-24:00", f"00:00-{clock(last)}"]
    return "[hours]\nmon-sun = " + json.dumps(texts) + "\n", spans


class Shard:
    """One system and its share of the trials."""

    def __init__(self, args, shard, trials):
        self.args, self.shard, self.count = args, shard, trials
        self.trials = faults.draw_trials(args.seed, shard, trials, LIST_SIZE)
        self.rng = random.Random(f"{args.seed}/{shard}/environment")
        self.clock_rng = random.Random(f"{args.seed}/{shard}/clock")
        self.environment = collections.Counter()
        self.samples, self.pauses, self.running = [], [], []
        self.spared = []  # (number, when it was on the do-not-call list for sure; None if it may not be)
        self.quiet = threading.Event()
        self.crash_in_cleanup = self.crash_in_relay = False

    def say(self, text):
        if self.args.verbose:
            print(f"[{self.shard}] {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)

    def run(self):
        system = System(self.args.bin, self.args.chaos, self.args.seed, settings={"account_cap": ACCOUNT_CAP}, clock=True)
        self.system = system
        self._order(system)
        system.restart_env = self._restart_env
        try:
            with system:
                system.sql(oracle.AUDIT)
                policy, self.hours = every_other_minute(time.time())
                (system.dir / "hours.toml").write_text(policy)
                system.callctl("policy", "set", "hours", system.dir / "hours.toml")
                for pool, numbers in POOLS.items():
                    system.callctl("caller", "add", pool, *numbers, "--concurrency", CALLER_CAP)
                if self.shard % 2 == 1:
                    system.callctl("tenant", "set", "default", "--concurrency", TENANT_CAP)
                system.token = system.callctl("token", "create", "chaos").stdout.strip()
                system.add_faults([t.rule for t in self.trials if t.rule])
                result = self._dial(system)
        except BaseException:
            print(f"[{self.shard}] the system is kept in {system.dir}", file=sys.stderr)
            raise
        if self.args.keep or result["violations"]:
            result["kept"] = str(system.dir)
        else:
            system.remove()
        return result

    def _order(self, system):
        orders = [t.order for t in self.trials if t.order]
        system.plan.write_text("".join(o + "\n" for o in orders))
        system.actions = {n: o.split(":")[0].split()[0] for n, o in enumerate(orders, 1)}
        pickups = faults.draw_pickups(self.args.seed, self.shard, self.trials)
        with open(system.dir / "callers.toml", "a") as script:
            for number, pickup in pickups.items():
                if pickup != "answer":
                    script.write(f'[[caller]]\nnumber = "{number}"\npickup = "{pickup}"\n')

    def _restart_env(self, name):
        if name == "api" and self.crash_in_cleanup:
            self.crash_in_cleanup = False
            return {"CALLD_CRASH_AT": self.rng.choice(faults.CLEANUP_POINTS) + ":1"}
        if name != "api" and self.crash_in_relay:
            self.crash_in_relay = False
            return {"CALLD_CRASH_AT": faults.RELAY_POINT + ":1"}
        return {}

    # --- the run

    def _dial(self, system):
        begun = time.monotonic()
        lists = collections.OrderedDict()
        for trial in self.trials:
            lists.setdefault(trial.list_name, []).append(trial.number)
        nemeses = [threading.Thread(target=strikes, daemon=True) for strikes in (self._nemesis, self._move_clock)]
        for nemesis in nemeses:
            nemesis.start()
        waiting, self.running, done = list(lists.items()), [], 0
        moved = time.monotonic()
        while waiting or self.running:
            while waiting and len(self.running) < LISTS_AT_ONCE:
                if not self._begin(system, *waiting[0]):
                    break
                self.running.append(waiting.pop(0)[0])
            finished = self._look(system)
            if finished:
                moved = time.monotonic()
                done += len(finished)
                self.running = [name for name in self.running if name not in finished]
                self.say(f"{done}/{len(lists)} lists")
            if time.monotonic() - moved > STALL_S:
                self.say(f"stalled: {self.running}")
                break
            time.sleep(0.7)
        self.quiet.set()
        for nemesis in nemeses:
            nemesis.join(60)
        self._settle(system)
        return self._judge(system, time.monotonic() - begun)

    def _begin(self, system, name, numbers):
        """False: a server is away; the same key makes it safe to ask again."""
        n = int(name.split("-")[1])
        csv = system.dir / f"{name}.csv"
        csv.write_text("phone\n" + "\n".join(numbers) + "\n")
        pool = f"pool-{n % POOL_OF}"
        caller = ["--from-pool", pool] if pool in POOLS else ["--from", f"+1500555{n % 10000:04d}"]
        create = system.callctl("list", "create", name, csv, "--key", name, *caller,
                                "--concurrency", CONCURRENCY, "--calls-per-second", 100, "--ring-timeout", 15,
                                "--time-limit", 10, "--max-attempts", 1 + n % 2, "--retry-after", 1,
                                *(["--policy", "hours"] if n % HOURS_OF == 3 else []), check=False)
        if create.returncode != 0:
            return False
        return system.post(f"/v1/lists/{name}/start") == 200

    def _look(self, system):
        """Lists that are finished; also samples the slots."""
        try:
            rows = system.sql("SELECT l.name, l.state, (SELECT count(*) FROM attempts a WHERE a.list_id = l.id AND a.state "
                              "IN ('intent', 'sending', 'placed', 'unknown')), l.concurrency FROM lists l "
                              "WHERE l.state <> 'draft' AND l.name IN ('" + "','".join(self.running) + "')")
            calls = system.sql("SELECT from_number, count(*) FROM attempts WHERE state IN ('intent', 'sending', 'placed', "
                               "'unknown') GROUP BY 1")
        except AssertionError:
            return []
        self.samples += [(name, int(opened), int(cap)) for name, _, opened, cap in rows]
        pooled = set().union(*POOLS.values())
        self.samples += [(number, int(opened), CALLER_CAP) for number, opened in calls if number in pooled]
        everybody = sum(int(opened) for _, opened in calls)
        self.samples.append(("the account", everybody, ACCOUNT_CAP))
        if self.shard % 2 == 1:
            self.samples.append(("the tenant", everybody, TENANT_CAP))
        return [name for name, state, _, _ in rows if state in ("completed", "cancelled", "failed")]

    def _settle(self, system):
        """Everything up, nothing under way."""
        def quiet():
            try:
                rows = system.sql("SELECT (SELECT count(*) FROM attempts WHERE state IN ('intent', 'sending', 'placed', "
                                  "'unknown')) + (SELECT count(*) FROM list_drivers WHERE holder IS NOT NULL AND expires_at "
                                  "> now())")
            except AssertionError:
                return False
            return rows == [["0"]] and (system.get("sim", "/readyz") or "").startswith("ready, 0 calls")
        end = time.monotonic() + 90
        while not quiet() and time.monotonic() < end:
            time.sleep(0.5)

    # --- faults of the environment

    def _nemesis(self):
        while True:
            kind, pause = faults.draw_environment(self.rng)
            if self.quiet.wait(pause):
                return
            self.say(kind)
            self.environment[kind] += 1
            try:
                self._strike(kind)
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                self.say(f"{kind}: {error}")

    def _move_clock(self):
        """PostgreSQL's, besides everything else; right again at the end."""
        ahead = 0.0
        while True:
            pause, to = faults.draw_clock(self.clock_rng, ahead)
            if self.quiet.wait(pause):
                self.system.set_clock(0.0)
                return
            self.say(f"PostgreSQL's clock: {ahead:+.1f} s -> {to:+.1f} s")
            self.environment[f"postgres clock {'forth' if to > ahead else 'back'}"] += 1
            self.system.set_clock(to)
            ahead = to

    def _strike(self, kind):
        system = self.system
        worker = self.rng.choice(system.workers)
        if kind == "redis restart":
            system.restart_redis(signal.SIGTERM)
        elif kind == "redis kill -9":
            system.restart_redis(signal.SIGKILL)
        elif kind == "redis FLUSHALL":
            subprocess.run(["redis-cli", "-p", str(system.port["redis"]), "FLUSHALL"], check=False, capture_output=True)
        elif kind == "postgres restart":
            system.restart_postgres(signal.SIGINT)
        elif kind == "postgres kill -9":
            system.restart_postgres(signal.SIGKILL)
        elif kind.startswith(("worker", "api")):
            process = worker if kind.startswith("worker") else system.api
            if kind.endswith("SIGSTOP"):
                system.stop_for_a_while(process)
            else:
                process.signal(getattr(signal, kind.split()[1]))
        elif kind == "callctl cleanup run":
            system.callctl("cleanup", "run", check=False)
        elif kind == "kill in the clean-up":
            self.crash_in_cleanup = True
            system.api.signal(signal.SIGKILL)
        elif kind == "kill in the relay":
            self.crash_in_relay = True
            worker.signal(signal.SIGKILL)
        elif kind == "pause and resume" and self.running:
            self._pause(self.rng.choice(self.running))
        elif kind == "a number is not to be called any more":
            self._spare()

    def _pause(self, name):
        system = self.system
        if system.callctl("list", "pause", name, check=False).returncode != 0:
            return
        begin = true_time()
        list_id = system.sql(f"SELECT id FROM lists WHERE name = '{name}'", 20)[0][0]
        time.sleep(self.rng.uniform(0.5, 2) if self.rng.random() < 0.5 else self.rng.uniform(4, 8))
        self.pauses.append((list_id, begin, true_time()))
        while system.callctl("list", "resume", name, check=False).returncode not in (0, 1):
            time.sleep(0.3)

    def _spare(self):
        """Somebody who waits to be called asks not to be."""
        system = self.system
        waiting = system.sql("SELECT phone FROM entries e JOIN lists l ON l.id = e.list_id WHERE l.state = 'running' AND "
                             "e.state IN ('pending', 'retry_wait') ORDER BY random() LIMIT 1", 20)
        if not waiting:
            return
        number = waiting[0][0]
        self.spared.append((number, None))
        if system.callctl("dnc", "add", number, check=False).returncode == 0:
            self.spared.append((number, true_time()))

    # --- the verdict

    def _judge(self, system, seconds):
        replayed, bad = (0, [])
        books = oracle.Books(system)
        bad += oracle.check(books, self.count, self.samples, self.pauses, self.spared,
                            {f"list-{n}": self.hours for n in range(3, self.count // LIST_SIZE + 1, HOURS_OF)},
                            system.stops)
        try:
            replayed, again = oracle.replay(system, self.args.seed, self.args.replay)
            bad += again
        except OSError as error:
            bad.append(("I8", f"could not replay: {error}"))
        fired = (system.dir / "plan.fired")
        return {
            "trials": self.count, "seconds": round(seconds, 1), "violations": bad,
            "kinds": collections.Counter(t.kind for t in self.trials), "environment": self.environment,
            "orders_fired": len(fired.read_text().splitlines()) if fired.exists() else 0,
            "restarts": sum(p.starts - 1 for p in [system.api, *system.workers]),
            "creates": len(books.creates), "attempts": len(books.attempts),
            "states": collections.Counter(a["state"] for a in books.attempts.values()),
            "duplicates": oracle.duplicates(books), "lost": oracle.lost(books),
            "resolved": oracle.resolve_times(books), "bound": list(oracle.time_to_bind(books).values()), "replayed": replayed,
        }


def merge(results):
    total = results[0]
    for other in results[1:]:
        for key, value in other.items():
            if isinstance(value, dict):
                total[key] = collections.Counter(total[key]) + collections.Counter(value)
            elif key != "kept":
                total[key] = total[key] + value
    return total


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def report(total, seed, command):
    n = total["trials"]
    times = [t for t, _ in total["resolved"]]
    ends = collections.Counter(state for _, state in total["resolved"])
    print(f"command            {command}")
    print(f"seed               {seed}")
    print(f"trials             {n} in {total['seconds']:.0f} s")
    print(f"creates accepted   {total['creates']} for {total['attempts']} attempts, {dict(total['states'])}")
    print("faults by kind")
    for kind, count in sorted(total["kinds"].items()):
        print(f"  {count:6}  {kind}")
    print("faults of the environment")
    for kind, count in sorted(total["environment"].items()):
        print(f"  {count:6}  {kind}")
    print(f"orders carried out {total['orders_fired']}, processes restarted {total['restarts']}")
    print(f"unknown            {len(times)} of {total['attempts']} attempts ({100 * len(times) / max(1, total['attempts']):.1f} %) "
          f"were unknown for a while; how it ended: {dict(ends)}")
    print(f"time to resolve    p50 {percentile(times, 0.5):.1f} s, p99 {percentile(times, 0.99):.1f} s, "
          f"longest {max(times, default=float('nan')):.1f} s")
    print(f"time to bind       p50 {percentile(total['bound'], 0.5):.2f} s, p99 {percentile(total['bound'], 0.99):.1f} s, "
          f"longest {max(total['bound'], default=float('nan')):.1f} s from the carrier's note to the attempt that has the call")
    print(f"webhooks replayed  {total['replayed']}")
    print(f"duplicates         {total['duplicates']}")
    print(f"lost               {total['lost']}")
    by_invariant = collections.Counter(i for i, _ in total["violations"])
    print(f"violations         {dict(by_invariant) or 'none'}")
    for invariant, text in total["violations"][:20]:
        print(f"  {invariant}  {text}")
    if not total["violations"] and n:
        print(f"95 % bound         at most {3 / n:.3%} of trials (0 in {n}; rule of three)")


def run_shard(args, shard, trials):
    return Shard(args, shard, trials).run()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin", help="directory of calld and callctl")
    parser.add_argument("chaos", help="calld-chaos")
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--shards", type=int, default=2, help="systems at the same time")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--replay", type=int, help="so many webhooks of each shard are sent again, twice; all by default")
    parser.add_argument("--json", help="write the result here, too")
    parser.add_argument("--keep", action="store_true", help="keep the systems' directories")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    begun = time.monotonic()
    rounds = max(args.shards, -(-args.trials // TRIALS_A_SYSTEM))
    share = [args.trials // rounds + (n < args.trials % rounds) for n in range(rounds)]
    with concurrent.futures.ProcessPoolExecutor(args.shards) as pool:
        results = list(pool.map(run_shard, [args] * rounds, range(rounds), share))
    total = merge(results)
    total["seconds"] = round(time.monotonic() - begun)
    if args.json:
        with open(args.json, "w") as out:
            json.dump({"seed": args.seed, **total}, out, default=str, indent=1)
    command = f"python3 {os.path.relpath(sys.argv[0])} BIN CALLD_CHAOS --trials {args.trials} --shards {args.shards} --seed {args.seed}"
    report(total, args.seed, command)
    for result in results:
        if "kept" in result:
            print(f"kept               {result['kept']}")
    return 1 if total["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
