"""The load reports that API pods and flushers leave in Redis for the autoscaler: keys and fields.

A report is a field `role:pod:process` of a Redis hash. Its value is the server's time in µs, a space and a JSON object.
These names are stored in Redis, so a change needs two releases.
"""

from typing import Final, Literal, TypedDict, get_args

# Two hashes on different primaries, so that a failover hides no report. Their slots, 1914 and 10106, are half of the
# ring apart.
KEYS: Final = ("signals:{f5}", "signals:{9}")


class ApiLoad(TypedDict):
    """Load of one API process.

    `arrivals` and `accepted` are requests/s. `busy` is a share of 1. `queue` requests wait in the process, and
    `in_flight` requests are being served. `ready_s` is the age of the process in seconds. `posts` are the hottest posts
    with their requests/s.
    """

    arrivals: float
    accepted: float
    busy: float
    queue: float
    in_flight: float
    ready_s: float
    posts: list[tuple[str, float]]


# The fields of `ApiLoad` that Prometheus reads as well, as values of one label.
Figure = Literal["arrivals", "accepted", "busy", "queue", "in_flight"]
FIGURES: Final[tuple[Figure, ...]] = get_args(Figure)


class FlusherLoad(TypedDict):
    """Load of one flusher process.

    `pending` likes are not in Postgres yet, the oldest of them for `age_s` seconds. `settled` likes/s are stored in
    Postgres; the name is that of release 0.1.
    """

    pending: int
    age_s: float
    settled: float
