"""Combine the load reports of processes into samples of pods, rates of posts, and the flushers' backlog."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, cast

from autoscaler.policy.observation import PodSample, PostRate
from autoscaler.signals.report_reader import Report
from service.observability.load_report import ApiLoad, FlusherLoad

# Pods report each second. The posts of a report that is older than this are ignored.
_MAX_POST_AGE_S = 5.0
# A process that reported so much earlier than the newest of its pod was replaced, or has died.
_MAX_LAG_S = 2.5
# A report from further ahead is from the future.
_MAX_CLOCK_SKEW_S = 1.0


@dataclass(frozen=True, slots=True)
class Backlog:
    """The backlog of likes as reported at `at`, by the reader's clock.

    `pending` likes wait, the oldest of them for `age_s`. The flushers store `stored_per_s` likes/s.
    """

    at: float
    pending: float
    age_s: float
    stored_per_s: float


@dataclass(frozen=True, slots=True)
class Signals:
    """All that was reported. `backlog` is None if no flusher has reported."""

    pods: tuple[PodSample, ...] = ()
    posts: tuple[PostRate, ...] = ()
    backlog: Backlog | None = None


class SignalSource(Protocol):
    """A source of signals."""

    def read(self, now: float) -> Signals:
        """Return what is reported at `now`, in seconds. Raises SignalsUnavailableError."""

    def close(self) -> None:
        """Close every socket."""


class Reports(Protocol):
    """See `autoscaler.signals.report_reader.ReportReader`."""

    def read(self) -> list[Report]:
        """Return the newest report of each process."""

    def close(self) -> None:
        """Close every socket."""


class RedisSource:
    """The load reports in Redis."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports

    def read(self, now: float) -> Signals:
        """See `SignalSource`."""
        return combine(self._reports.read(), now)

    def close(self) -> None:
        """See `SignalSource`."""
        self._reports.close()


def combine(reports: Iterable[Report], now: float) -> Signals:
    """Combine the reports. The processes of a pod become one sample, and the rates of a post are added up."""
    by_pod: dict[str, list[Report]] = defaultdict(list)
    flushers: list[Report] = []
    for report in reports:
        if report.role == "api":
            by_pod[report.pod].append(report)
        elif report.role == "flusher":
            flushers.append(report)
    pods = tuple(sample for pod in sorted(by_pod) if (sample := _sample(pod, by_pod[pod], now)))
    recent = [report for of_pod in by_pod.values() for report in of_pod if report.age_s <= _MAX_POST_AGE_S]
    return Signals(pods, _posts(recent), _backlog(flushers, now))


def _live(reports: list[Report]) -> tuple[float, list[Report]]:
    """Return the age of the newest report, and the reports of the processes that still run.

    A worker that was replaced leaves its last report for some seconds. If the server's clock went back, that report
    seems to be from the future, so such reports count only if there is no other.
    """
    believed = [report for report in reports if report.age_s >= -_MAX_CLOCK_SKEW_S] or reports
    newest_s = min(report.age_s for report in believed)
    return newest_s, [report for report in believed if report.age_s <= newest_s + _MAX_LAG_S]


def _sample(pod: str, reports: list[Report], now: float) -> PodSample | None:
    newest_s, live = _live(reports)
    loads = [cast(ApiLoad, report.load) for report in live]
    try:
        return PodSample(
            pod=pod,
            at=now - newest_s,
            arrivals=sum(float(load["arrivals"]) for load in loads),
            accepted=sum(float(load["accepted"]) for load in loads),
            busy=sum(float(load["busy"]) for load in loads) / len(loads),
            queue=sum(float(load["queue"]) for load in loads),
            in_flight=sum(float(load["in_flight"]) for load in loads),
            ready_s=min(float(load["ready_s"]) for load in loads),
        )
    except (KeyError, TypeError, ValueError):
        # A release with other fields. The pod counts as silent.
        return None


def _posts(reports: Iterable[Report]) -> tuple[PostRate, ...]:
    """Return the posts with their rates over all processes, the hottest first."""
    rates: dict[str, float] = defaultdict(float)
    for report in reports:
        for post, rate in _rates_of(report):
            rates[post] += rate
    return tuple(PostRate(post, rate) for post, rate in sorted(rates.items(), key=lambda pair: (-pair[1], pair[0])))


def _rates_of(report: Report) -> list[tuple[str, float]]:
    try:
        return [(str(post), float(rate)) for post, rate in cast(ApiLoad, report.load).get("posts") or ()]
    except (TypeError, ValueError):
        return []


def _backlog(flushers: list[Report], now: float) -> Backlog | None:
    """Combine the flushers' reports.

    Every flusher sees all streams, so the largest backlog counts. Their rates are added up.
    """
    if not flushers:
        return None
    newest_s, live = _live(flushers)
    loads = [cast(FlusherLoad, report.load) for report in live]
    try:
        return Backlog(
            at=now - newest_s,
            pending=max(float(load["pending"]) for load in loads),
            age_s=max(float(load["age_s"]) for load in loads),
            stored_per_s=sum(float(load["settled"]) for load in loads),
        )
    except (KeyError, TypeError, ValueError):
        return None
