"""From what processes told to what the decision looks at."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from autoscaler.policy.observation import PodSample, PostRate
from autoscaler.signals.redis_signals import Told

_BELIEVED_S = 5.0  # of what a pod told of its posts: it tells each second
_ALIKE_S = 2.5  # by which a process may be later than the newest of its pod: else it was replaced, or has died
_AHEAD_S = 1.0  # from which a figure is from the future


@dataclass(frozen=True, slots=True)
class Backlog:
    """Likes pending, the oldest's age and likes/s stored, told at `at` on the clock of the reader."""

    at: float
    pending: float
    age_s: float
    settled: float


@dataclass(frozen=True, slots=True)
class Signals:
    """All that was told: by the API pods, of posts, and by the flushers (None where no flusher has told anything)."""

    pods: tuple[PodSample, ...] = ()
    posts: tuple[PostRate, ...] = ()
    backlog: Backlog | None = None


class Source(Protocol):
    """Where signals come from."""

    def read(self, now: float) -> Signals:
        """All that is told at `now`, in seconds. Raises SignalsUnavailableError."""

    def close(self) -> None:
        """Close every socket."""


class Readable(Protocol):
    """See `autoscaler.signals.redis_signals.SignalHashes`."""

    def read(self) -> list[Told]: ...

    def close(self) -> None: ...


class RedisSource:
    """What processes tell through Redis."""

    def __init__(self, hashes: Readable) -> None:
        self._hashes = hashes

    def read(self, now: float) -> Signals:
        """See `Source`."""
        return signals_of(self._hashes.read(), now)

    def close(self) -> None:
        """See `Source`."""
        self._hashes.close()


def signals_of(told: Iterable[Told], now: float) -> Signals:
    """Processes of a pod are one sample; posts are added up over those who spoke within 5 s."""
    by_pod: dict[str, list[Told]] = defaultdict(list)
    flushers: list[Told] = []
    for one in told:
        if one.role == "api":
            by_pod[one.pod].append(one)
        elif one.role == "flusher":
            flushers.append(one)
    pods = tuple(sample for pod in sorted(by_pod) if (sample := _sample(pod, by_pod[pod], now)))
    fresh = [one for several in by_pod.values() for one in several if one.age_s <= _BELIEVED_S]
    return Signals(pods, _posts(fresh), _backlog(flushers, now))


def _living(told: list[Told]) -> tuple[float, list[Mapping[str, Any]]]:
    """The age of the newest, and what it and all that are as new have told.

    A worker that was replaced is still told of for some seconds; for longer where the clock went back since, as it
    seems to be ahead then. Those ahead count only where there is no other.
    """
    believed = [one for one in told if one.age_s >= -_AHEAD_S] or told
    newest = min(one.age_s for one in believed)
    return newest, [one.said for one in believed if one.age_s <= newest + _ALIKE_S]


def _sample(pod: str, told: list[Told], now: float) -> PodSample | None:
    newest, workers = _living(told)
    try:
        return PodSample(
            pod=pod,
            at=now - newest,
            arrivals=_sum(workers, "arrivals"),
            accepted=_sum(workers, "accepted"),
            busy=_sum(workers, "busy") / len(workers),
            queue=_sum(workers, "queue"),
            in_flight=_sum(workers, "in_flight"),
            ready_s=min(float(worker["ready_s"]) for worker in workers),
        )
    except (KeyError, TypeError, ValueError):
        return None  # of a release that tells otherwise; it counts as silent


def _posts(told: Iterable[Told]) -> tuple[PostRate, ...]:
    rates: dict[str, float] = defaultdict(float)
    for one in told:
        for post, rate in _pairs(one.said.get("posts")):
            rates[post] += rate
    return tuple(PostRate(post, rate) for post, rate in sorted(rates.items(), key=lambda pair: (-pair[1], pair[0])))


def _pairs(posts: Any) -> list[tuple[str, float]]:
    try:
        return [(str(post), float(rate)) for post, rate in posts or ()]
    except (TypeError, ValueError):
        return []


def _backlog(flushers: list[Told], now: float) -> Backlog | None:
    """Each flusher sees every stream, so the most that one sees is there; what they store is stored by all together."""
    if not flushers:
        return None
    newest, fresh = _living(flushers)
    try:
        return Backlog(
            at=now - newest,
            pending=max(float(said["pending"]) for said in fresh),
            age_s=max(float(said["age_s"]) for said in fresh),
            settled=_sum(fresh, "settled"),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _sum(told: Iterable[Mapping[str, Any]], name: str) -> float:
    return sum(float(said[name]) for said in told)
