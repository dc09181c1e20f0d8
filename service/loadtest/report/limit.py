"""Name the part that was the limit of a run. Pure. The rules are documented in docs/how-to/load-test.md."""

from service.loadtest.report.statistics import TimeSummary
from service.loadtest.usage.cpu import LOAD_TEST
from service.loadtest.usage.load import Load

# Shares of a core, or of the machine, from which on it is full.
_FULL = 0.9
# A run is slow if the p99 is above these.
_SLOW_ANSWER_MS = 250.0
_SLOW_DURABLE_MS = 2_000.0
_LABELS = {"api": "the API", "nginx": "NGINX", "valkey": "Redis", "postgres": "Postgres", "flusher": "the flusher"}


def name_limit(
    load: Load, answer: TimeSummary | None, durable: TimeSummary | None, *, connections: int, max_connections: int
) -> str:
    """Return one sentence that names the part that was the limit. `connections`: the highest number open."""
    if not load.busiest:
        return "The limit is unknown: nothing was measured."
    part, cores = max(load.busiest.items(), key=lambda pair: pair[1])
    busiest = f"{_label(part)}, whose busiest process used {cores:.2f} of one core"
    is_slow = answer is None or _is_above(answer, _SLOW_ANSWER_MS)
    if not is_slow and not (durable and _is_above(durable, _SLOW_DURABLE_MS)):
        return f"No part was the limit; the busiest was {busiest}."
    if cores >= _FULL:
        return f"The limit was {busiest}, and it cannot use more."
    if load.used is not None and load.used >= _FULL * load.cores:
        return f"The limit was the machine{_of_load_test(load)}: {_full_machine(load)}."
    if not is_slow:
        return (
            "The limit was the way to Postgres: likes waited in the queue, although flusher and Postgres had CPU left."
        )
    if _is_remote(load):
        return (
            f"The limit was the target or the network: its answers took long, and the load test used only {cores:.2f} "
            "of one core."
        )
    if connections >= max_connections:
        return f"The limit was the number of connections: all {connections:,} waited for answers, and no part was full."
    return f"No part was full, although answers took long; the busiest was {busiest}."


def _is_above(times: TimeSummary, limit_ms: float) -> bool:
    return times.p99_ms is None or times.p99_ms > limit_ms


def _is_remote(load: Load) -> bool:
    return set(load.busiest) == {LOAD_TEST}


def _of_load_test(load: Load) -> str:
    return " of the load test" if _is_remote(load) else ""


def _full_machine(load: Load) -> str:
    assert load.used is not None
    users = {**load.parts, "": load.used - sum(load.parts.values())}
    part, cores = max(users.items(), key=lambda pair: pair[1])
    user = _label(part) if part else "programs that are no part of it"
    return f"{load.used:.2f} of {load.cores} cores were in use, the largest share ({cores:.2f}) by {user}"


def _label(part: str) -> str:
    return "the load test" if part == LOAD_TEST else _LABELS.get(part, part)
