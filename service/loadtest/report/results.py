"""Compute the results of a run, as they are written to JSON and drawn on the page. Pure."""

from dataclasses import asdict, dataclass, field
from typing import Any

from service.cost.prices import Prices
from service.loadtest.checks.freshness import first_proofs, proof_levels
from service.loadtest.checks.lateness import Lateness, measure_lateness
from service.loadtest.checks.verdict import Verdict
from service.loadtest.generator.distribution import KINDS, LIKE
from service.loadtest.generator.plan import Options
from service.loadtest.generator.recorder import Recorder
from service.loadtest.generator.schedule import Schedule
from service.loadtest.generator.sender import Sender
from service.loadtest.report.costs import CostReport, build_costs
from service.loadtest.report.limit import name_limit
from service.loadtest.report.notes import PostSamples, write_notes
from service.loadtest.report.statistics import (
    Series,
    TimeSummary,
    count_per_step,
    percentiles_per_step,
    step_length,
    summarize,
)
from service.loadtest.usage.cpu import LOAD_TEST
from service.loadtest.usage.meter import Usage


@dataclass(frozen=True, slots=True)
class Results:
    """The results of a run.

    answers: number of responses by kind of request and status.
    answer, seen, durable: times since a like was due until it was acknowledged, seen by a reader, stored.
    followed: times of unlikes and repeats, since the like was acknowledged.
    limit: one sentence that names the part that was the limit.
    """

    options: dict[str, Any]
    verdict: Verdict
    took_s: float
    sent: int
    late: Lateness
    limit: str
    connections: int
    answers: dict[str, dict[str, int]]
    errors: dict[str, int]
    answer: TimeSummary | None
    followed: TimeSummary | None
    seen: TimeSummary | None
    durable: TimeSummary | None
    cpu_us_per_like: dict[str, float]
    sent_bytes_per_like: float | None
    received_bytes_per_like: float | None
    series: Series
    costs: CostReport
    machine: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        """Number of acknowledged likes."""
        return self.verdict.sums.acknowledged

    @property
    def rate(self) -> float:
        """Acknowledged likes per second, until the last response."""
        return self.acknowledged / self.took_s if self.took_s else 0.0

    @property
    def pace(self) -> list[str]:
        """One sentence about late likes, if there are any, and one about the limit."""
        return [f"{self.late}.", self.limit] if self.late.likes else [self.limit]

    @property
    def sender_share(self) -> float | None:
        """CPU time of the load test over that of the API."""
        api = self.cpu_us_per_like.get("api")
        return self.cpu_us_per_like[LOAD_TEST] / api if api else None

    def as_json(self) -> dict[str, Any]:
        """Return all results by name."""
        more = {"rate": round(self.rate, 1), "sender_share_of_api": self.sender_share}
        return {"ok": self.verdict.ok, **asdict(self), **more}


def build_results(
    sender: Sender,
    options: Options,
    verdict: Verdict,
    samples: PostSamples | None,
    usage: Usage,
    machine: dict[str, Any],
    prices: Prices | None = None,
) -> Results:
    """Compute the results from what was recorded during the run."""
    recorder, schedule = sender.recorder, sender.workload.schedule
    acknowledged = len(recorder.acknowledged)
    acknowledged_at = zip(recorder.acknowledged, recorder.acknowledged_at, strict=True)
    answer = summarize(at - schedule.at(like) for like, at in acknowledged_at)
    seen, durable = _freshness(samples, sender)
    took_s = round(max([0.0, *recorder.acknowledged_at[-1:], *recorder.sent_at[-1:]]), 3)
    return Results(
        options=_options(options, schedule.peak),
        verdict=verdict,
        took_s=took_s,
        sent=recorder.sent,
        late=measure_lateness(schedule.times, recorder.sent_at, options.seconds),
        limit=name_limit(
            usage.load,
            answer,
            durable,
            connections=recorder.connections,
            max_connections=options.max_connections,
        ),
        connections=recorder.connections,
        answers=_answers(recorder),
        errors=_errors(recorder),
        answer=answer,
        followed=summarize(recorder.follow_up_s),
        seen=seen,
        durable=durable,
        cpu_us_per_like={name: round(1e6 * s / acknowledged, 1) for name, s in usage.cpu_s.items() if acknowledged},
        sent_bytes_per_like=_per_like(recorder.bytes_sent, acknowledged),
        received_bytes_per_like=_per_like(recorder.bytes_received, acknowledged),
        series=_series(options, schedule, recorder, is_cut=verdict.interrupted),
        machine=machine,
        notes=write_notes(options, samples, usage),
        costs=build_costs(recorder, took_s, usage, prices),
    )


def _freshness(samples: PostSamples | None, sender: Sender) -> list[TimeSummary | None]:
    """Return times since likes of the sampled post were due, until a reader saw them and until they were stored."""
    workload = sender.workload
    if samples is None or workload.sampled_post is None:
        return [None, None]
    summaries = []
    for source in (samples.reader, samples.stored):
        levels = proof_levels(
            sender.recorder,
            workload.post_of,
            workload.sampled_post,
            unknown_may_count=samples.unknown_may_count,
        )
        proven, unproven = first_proofs(levels, source)
        times = (at - sender.started_at - workload.schedule.at(like) for like, at in proven)
        summaries.append(summarize(times, unproven))
    return summaries


def _answers(recorder: Recorder) -> dict[str, dict[str, int]]:
    pairs = zip(KINDS, recorder.statuses, strict=True)
    return {
        name: {str(status): count for status, count in sorted(counts.items())}
        for name, counts in pairs
        if counts or name == KINDS[LIKE]
    }


def _options(options: Options, peak: float) -> dict[str, Any]:
    files = ("json_file", "html_file")
    return {name: value for name, value in asdict(options).items() if name not in files} | {"peak": round(peak, 1)}


def _errors(recorder: Recorder) -> dict[str, int]:
    return {
        "connections_refused": recorder.connections_refused,
        "connections_dropped": recorder.connections_dropped,
        "retried": recorder.retried,
        "lost": sum(recorder.lost),
        "unanswered": sum(recorder.unanswered),
        "unexpected_200": recorder.unexpected_200,
        "counted_twice": recorder.counted_twice,
        "unknown_tokens": recorder.unknown_tokens,
    }


def _per_like(total: int, likes: int) -> float | None:
    return round(total / likes, 1) if likes else None


def _series(options: Options, schedule: Schedule, recorder: Recorder, *, is_cut: bool) -> Series:
    """Return the series until the end of the duration, or of a run that was cut short, and of its responses."""
    step_s = step_length(options.seconds)
    ends = (recorder.acknowledged_at[-1:], recorder.sent_at[-1:], recorder.failed_at[-1:])
    last = max([0.0 if is_cut else options.seconds, *(at for end in ends for at in end)])
    steps = int(last / step_s) + 1
    due = [schedule.at(like) for like in recorder.acknowledged]
    took = (at - then for then, at in zip(due, recorder.acknowledged_at, strict=True))
    p50, p99 = percentiles_per_step(zip(due, took, strict=True), step_s, steps)
    moments = (schedule.times, recorder.sent_at, recorder.acknowledged_at, recorder.failed_at)
    due_counts, sent, acknowledged, refused = (count_per_step(one, step_s, steps) for one in moments)
    return Series(step_s, due_counts, sent, acknowledged, refused, p50, p99)
