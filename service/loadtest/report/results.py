"""All that a run has shown, as it is written to JSON and drawn on the page. Pure."""

from dataclasses import asdict, dataclass, field
from typing import Any

from service.loadtest.checks.freshness import Looks, covered, levels
from service.loadtest.checks.verdict import Verdict
from service.loadtest.generator.distribution import KINDS, LIKE
from service.loadtest.generator.plan import Options
from service.loadtest.generator.recorder import Tally
from service.loadtest.generator.schedule import PEAKS, Schedule
from service.loadtest.generator.sender import Sender
from service.loadtest.report.cpu_cost import DRILL, Costs
from service.loadtest.report.statistics import Series, Times, over_time, per_step, step_of, times

_NO_PROOF = (
    "seen and durable are not measured with --unlikes: they lower the count, which then proves no single like any more"
)


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen of the watched post while likes were sent."""

    reader: Looks
    stored: Looks
    doubtful: bool  # whether likes of unknown outcome may be among those counted


@dataclass(frozen=True, slots=True)
class Results:
    """A whole run."""

    asked: dict[str, Any]
    verdict: Verdict
    took_s: float
    sent: int
    connections: int
    answers: dict[str, dict[str, int]]
    errors: dict[str, int]
    answer: Times | None
    followed: Times | None  # unlikes and repeats, from the like's acknowledgement on
    seen: Times | None
    durable: Times | None
    cpu_us_per_like: dict[str, float]
    sent_bytes_per_like: float | None
    received_bytes_per_like: float | None
    series: Series
    machine: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        return self.verdict.sums.acknowledged

    @property
    def rate(self) -> float:
        """Acknowledged likes a second, until the last answer."""
        return self.acknowledged / self.took_s if self.took_s else 0.0

    @property
    def sender_share(self) -> float | None:
        """CPU of the drill for one of the API."""
        api = self.cpu_us_per_like.get("api")
        return self.cpu_us_per_like[DRILL] / api if api else None

    def as_json(self) -> dict[str, Any]:
        """Everything, by name."""
        more = {"rate": round(self.rate, 1), "sender_share_of_api": self.sender_share}
        return {"ok": self.verdict.ok, **asdict(self), **more}


def results(
    sender: Sender,
    options: Options,
    verdict: Verdict,
    watched: Watched | None,
    costs: Costs,
    machine: dict[str, Any],
) -> Results:
    """Everything worked out from what was noted while it ran."""
    tally, schedule = sender.tally, sender.crowd.schedule
    acknowledged = len(tally.acknowledged)
    seen, durable = _looked(watched, sender)
    return Results(
        asked=_asked(options),
        verdict=verdict,
        took_s=round(max([0.0, *tally.answered_at[-1:], *tally.sent_at[-1:]]), 3),
        sent=tally.sent,
        connections=tally.connections,
        answers=_answers(tally),
        errors=_errors(tally),
        answer=times(at - schedule.at(like) for like, at in zip(tally.acknowledged, tally.answered_at, strict=True)),
        followed=times(tally.followed_s),
        seen=seen,
        durable=durable,
        cpu_us_per_like={
            name: round(1e6 * spent / acknowledged, 1) for name, spent in costs.cpu_s.items() if acknowledged
        },
        sent_bytes_per_like=_each(tally.bytes_sent, acknowledged),
        received_bytes_per_like=_each(tally.bytes_received, acknowledged),
        series=_series(options, schedule, tally, cut=verdict.interrupted),
        machine=machine,
        notes=_notes(options, watched, costs),
    )


def _looked(watched: Watched | None, sender: Sender) -> list[Times | None]:
    """From when likes of the watched post were due until a reader, and Postgres, had them."""
    crowd = sender.crowd
    if watched is None or crowd.watched is None:
        return [None, None]
    found = []
    for looks in (watched.reader, watched.stored):
        needed = levels(sender.tally, crowd.post_of, crowd.watched, doubtful=watched.doubtful)
        proven, never = covered(needed, looks)
        found.append(times((at - sender.begin - crowd.schedule.at(like) for like, at in proven), never))
    return found


def _answers(tally: Tally) -> dict[str, dict[str, int]]:
    """By kind of request and status."""
    pairs = zip(KINDS, tally.statuses, strict=True)
    return {
        name: {str(status): count for status, count in sorted(found.items())}
        for name, found in pairs
        if found or name == KINDS[LIKE]
    }


def _asked(options: Options) -> dict[str, Any]:
    files = ("json_file", "html_file")
    return {name: value for name, value in asdict(options).items() if name not in files} | {
        "peak": round(PEAKS[options.profile] * options.likes / options.seconds, 1)
    }


def _errors(tally: Tally) -> dict[str, int]:
    return {
        "connections_refused": tally.unopened,
        "connections_dropped": tally.dropped,
        "retried": tally.retried,
        "lost": sum(tally.lost),
        "unanswered": sum(tally.unanswered),
        "repeated": tally.repeated,
        "doubled": tally.doubled,
        "strangers": tally.strangers,
    }


def _each(total: int, count: int) -> float | None:
    return round(total / count, 1) if count else None


def _series(options: Options, schedule: Schedule, tally: Tally, *, cut: bool) -> Series:
    """Until the end of the time, or of a run that was cut short, and of its answers."""
    step_s = step_of(options.seconds)
    last = max([0.0 if cut else options.seconds, *tally.answered_at[-1:], *tally.sent_at[-1:], *tally.refused_at[-1:]])
    steps = int(last / step_s) + 1
    due = [schedule.at(like) for like in tally.acknowledged]
    took = (at - then for then, at in zip(due, tally.answered_at, strict=True))
    p50, p99 = over_time(zip(due, took, strict=True), step_s, steps)
    moments = (schedule.times, tally.sent_at, tally.answered_at, tally.refused_at)
    due_in, sent, acknowledged, refused = (per_step(each, step_s, steps) for each in moments)
    return Series(step_s, due_in, sent, acknowledged, refused, p50, p99)


def _notes(options: Options, watched: Watched | None, costs: Costs) -> list[str]:
    notes = []
    if watched is None:
        notes.append(_NO_PROOF if options.unlikes else "seen and durable are not measured: nothing was looked at")
    else:
        for who, looks in (("a reader", watched.reader), ("Postgres", watched.stored)):
            if looks.failed:
                notes.append(f"{looks.failed:,} looks of {who} failed, the first: {looks.problem}")
    if costs.cpu_s.get("api", 0) and costs.cpu_s[DRILL] > costs.cpu_s["api"] / 2:
        notes.append("the drill took more than half of the API's CPU: on this machine it slowed the API down")
    if costs.missing:
        notes.append(f"CPU is the drill's own alone: {costs.missing}")
    return notes
