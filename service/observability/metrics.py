"""The metrics of each process; docs/reference/monitoring.md explains each.

In a pod several workers count, and gunicorn's first process serves the sum. A flusher is one process. The children of
a labeled metric are bound once, so that counting is an addition.
"""

import os

from prometheus_client import Counter, Gauge, Histogram, values

_process = os.getpid()


def _remember_process() -> None:
    global _process
    _process = os.getpid()


if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    # The library asks the kernel for the process id at each count. That would cost a tenth of a like.
    os.register_at_fork(after_in_child=_remember_process)
    values.ValueClass = values.MultiProcessValue(lambda: _process)  # type: ignore[no-untyped-call]

LIKES = Counter("likewise_likes_total", "Likes and unlikes answered, by what they changed.", ["result"])
PROBLEMS = Counter("likewise_problems_total", "Requests answered with a problem, by status.", ["status"])
REQUEST_DURATION_SECONDS = Histogram(
    "likewise_request_duration_seconds",
    "Time from reading a request's headers to its response, by route.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
COUNT_STALENESS_SECONDS = Histogram(
    "likewise_count_staleness_seconds",
    "Longest time for which a like is missing from the counts of this process, at each read of Redis.",
    buckets=(0.1, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 2, 5),
)
COUNT_CACHE_LOOKUPS = Counter(
    "likewise_count_cache_lookups_total", "Counts requested, by whether the process' cache had them.", ["result"]
)
REDIS_BATCH_COMMANDS = Histogram(
    "likewise_redis_batch_commands",
    "Likes, unlikes and reads sent to a Redis node in one batch.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
RATE_LIMITED = Counter("likewise_rate_limited_total", "Requests refused by a rate limit, by its name.", ["limit"])
RATE_LIMIT_SYNC_FAILURES = Counter(
    "likewise_rate_limit_sync_failures_total",
    "Rounds in which the rate limits could not be synchronized with other processes.",
)
REDIS_ERRORS = Counter("likewise_redis_errors_total", "Calls to Redis that failed, by kind.", ["kind"])
POSTGRES_ERRORS = Counter("likewise_postgres_errors_total", "Uses of Postgres that failed, by kind.", ["kind"])
SIGNAL = Gauge(
    "likewise_signal",
    "Load of the last second, as reported to the autoscaler.",
    ["metric"],
    multiprocess_mode="livesum",
)
SIGNAL_READY_SECONDS = Gauge(
    "likewise_signal_ready_seconds", "Age of the pod's youngest worker.", multiprocess_mode="livemin"
)

REDIS_KINDS = ("connection", "timeout", "moved", "loading", "readonly", "full", "other")
POSTGRES_KINDS = ("connection", "timeout", "refused", "other")
# Prometheus computes no rate for the first value of a series, so every series starts before its first error.
for _counter, _values in (
    (REDIS_ERRORS, REDIS_KINDS),
    (POSTGRES_ERRORS, POSTGRES_KINDS),
    (PROBLEMS, ("400", "401", "403", "404", "429", "500", "503")),
):
    for _value in _values:
        _counter.labels(_value)
