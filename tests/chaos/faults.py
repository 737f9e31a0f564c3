"""What can go wrong, and the draw of one fault for each trial.

A trial is one entry of a list under one drawn fault. Its fault is tied to its telephone number: a rule for the
simulated carrier, an order for a crash point, or both. Faults of the environment (servers, processes, operators) are
drawn beside them and meet whatever is under way.
"""
import dataclasses
import math
import random

# Crash points whose subject is the telephone number, in the order in which an attempt meets them.
WORKER_POINTS = ("claim.committing", "claim.after", "sending.before", "sending.committing", "sending.after",
                 "http.connected", "http.mid_request", "http.sent", "http.mid_response", "settle.before",
                 "settle.committing", "settle.after")
API_POINTS = ("webhook.before", "webhook.committing", "webhook.after")
RECONCILER_POINTS = ("reconcile.listed", "reconcile.bound")
# Whose subject is the list's name: at most one of each list is ordered.
LIST_POINTS = ("driver.begin", "driver.leased", "claim.before", "driver.leave", "driver.released", "handover.committed",
               "list.changed")
# Without a subject: the process that restarts dies at the first one it meets.
CLEANUP_POINTS = ("cleanup.reconciled", "cleanup.committing")
RELAY_POINT = "relay.pushed"

UNANSWERED = ("drop", "reset", "half", "truncated", "invalid")
STATUSES = (500, 502, 503, 504)
PICKUPS = ("answer", "busy", "no_answer", "failed")


@dataclasses.dataclass
class Trial:
    number: str
    list_name: str
    kind: str
    rule: dict | None = None
    order: str | None = None  # a line of the crash plan


def unseen(rng):
    """No answer and no webhook: only the carrier's books know."""
    return {"create": rng.choice(UNANSWERED), "webhooks": "lose", "list_lag_ms": rng.randint(0, 3000)}


def draw(rng, number, list_name):
    """(kind, rule, order) of one trial."""
    dice = rng.random()
    if dice < 0.05:
        return "none", None, None
    if dice < 0.20:
        create = rng.choice(UNANSWERED)
        return f"answer {create}", {"create": create, "list_lag_ms": rng.randint(0, 2000)}, None
    if dice < 0.26:
        late = rng.random() < 0.5
        delay = rng.randint(2200, 3500) if late else rng.randint(100, 1500)
        return f"answer {'beyond the time-out' if late else 'late'}", {"answer_delay_ms": delay}, None
    if dice < 0.30:
        return "429", {"create": "throttle", "retry_after_s": rng.randint(0, 1), "times": rng.randint(1, 2)}, None
    if dice < 0.40:
        status, accepted = rng.choice(STATUSES), rng.random() < 0.5
        rule = {"create": "error", "status": status, "accepted": accepted}
        if rng.random() < 0.5:
            rule["webhooks"] = "lose"
        return f"{status} {'accepted' if accepted else 'refused'}", rule, None
    if dice < 0.48:
        return "answer and webhooks lost", unseen(rng), None
    if dice < 0.66:
        hook = rng.choice(("lose", "lose some", "twice", "reorder", "delay", "early"))
        rule = {"webhooks": hook.split()[0], "webhook_delay_ms": rng.randint(100, 2500)}
        if hook == "lose some":
            rule["webhook_share"] = 0.5
        if rng.random() < 0.3:
            rule["create"] = rng.choice(UNANSWERED)
        return f"webhooks {hook}", rule, None
    if dice < 0.68:
        return "clock jump", None, f"clock:{rng.choice((-3600, 3600))} claim.after {number}"
    action = "stop" if rng.random() < 0.25 else "kill"
    if dice < 0.86:
        point = rng.choice(WORKER_POINTS)
        rule = unseen(rng) if rng.random() < 0.2 else None
    elif dice < 0.94:
        point, rule = rng.choice(API_POINTS), None
        if rng.random() < 0.3:
            rule = {"create": rng.choice(UNANSWERED)}
    elif dice < 0.97:
        point, rule = rng.choice(RECONCILER_POINTS), unseen(rng)
    else:
        point, rule = rng.choice(LIST_POINTS), None
        return f"{action} at {point}", rule, f"{action} {point} {list_name}"
    return f"{action} at {point}", rule, f"{action} {point} {number}"


def draw_trials(seed, shard, count, list_size):
    """The trials of one shard: the same for the same arguments."""
    rng = random.Random(f"{seed}/{shard}/trials")
    trials, ordered = [], set()
    for n in range(count):
        # Valid North American numbers, never the same twice in a run.
        number = f"+1212{2_000_000 + shard * 10_000 + n:07d}"
        list_name = f"list-{n // list_size}"
        kind, rule, order = draw(rng, number, list_name)
        if order and order.split(" ", 1)[1] in ordered:
            kind, rule, order = "none", None, None
        if order:
            ordered.add(order.split(" ", 1)[1])
        trials.append(Trial(number, list_name, kind, {**rule, "number": number} if rule else None, order))
    return trials


def draw_pickups(seed, shard, trials):
    """How each number answers, as callers of the simulator's script."""
    rng = random.Random(f"{seed}/{shard}/pickups")
    return {t.number: rng.choices(PICKUPS, (5, 2, 1, 2))[0] for t in trials}


ENVIRONMENT = ("redis restart", "redis kill -9", "redis FLUSHALL", "postgres restart", "postgres kill -9",
               "worker SIGKILL", "worker SIGTERM", "worker SIGSTOP", "api SIGKILL", "api SIGTERM", "api SIGSTOP",
               "pause and resume", "callctl cleanup run", "kill in the clean-up", "kill in the relay",
               "a number is not to be called any more")
WEIGHTS = (3, 2, 4, 2, 3, 3, 3, 2, 3, 2, 2, 5, 3, 2, 2, 5)


def draw_environment(rng):
    """(kind, seconds until it happens)."""
    return rng.choices(ENVIRONMENT, WEIGHTS)[0], rng.uniform(2, 7)


FARTHEST_S = 90.0  # PostgreSQL's clock from the true time: far beyond the lease and the deadline of unknown attempts


def draw_clock(rng, ahead):
    """(seconds until PostgreSQL's clock jumps, how far it is ahead then)."""
    to = 0.0
    if not ahead or rng.random() < 0.3:
        to = rng.choice((-1, 1)) * math.exp(rng.uniform(0, math.log(FARTHEST_S)))
    return rng.uniform(2, 8), round(to, 2)
