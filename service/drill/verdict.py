"""Whether a drill went well: all likes acknowledged, and acknowledged = shown = rows for each post. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from service.drill.plan import Options
from service.drill.tally import Tally, percentiles

_EXAMPLES = 5  # of posts that disagree, in the reasons


@dataclass(frozen=True, slots=True)
class Observed:
    """What was found after the last answer. A missing post has no likes; `pending` None: it could not be learned."""

    shown: Mapping[str, int]
    rows: Mapping[str, int]
    pending: int | None = 0
    problems: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """A run in numbers, and the reasons why it did not go well: none where it did."""

    url: str
    likes: int
    asked_s: float
    took_s: float
    sent: int
    acknowledged: int
    shown: int
    rows: int
    pending: int | None
    answers: dict[str, int]
    errors: dict[str, int]
    connections: int
    p50_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    interrupted: bool
    posts: list[str]
    reasons: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.reasons

    @property
    def rate(self) -> float:
        """Acknowledged likes a second, until the last answer."""
        return self.acknowledged / self.took_s if self.took_s else 0.0


def judge(
    options: Options, posts: Sequence[str], tally: Tally, found: Observed, *, took_s: float, interrupted: bool = False
) -> Verdict:
    """The verdict of a run."""
    times = percentiles(tally.times, 0.5, 0.99, 0.999) if tally.times else [None] * 3
    p50, p99, p999 = (None if time is None else round(time * 1_000, 3) for time in times)
    return Verdict(
        url=options.url,
        likes=options.likes,
        asked_s=options.seconds,
        took_s=round(took_s, 3),
        sent=tally.sent,
        acknowledged=sum(tally.acknowledged),
        shown=sum(found.shown.get(post, 0) for post in posts),
        rows=sum(found.rows.get(post, 0) for post in posts),
        pending=found.pending,
        answers={str(status): count for status, count in sorted(tally.statuses.items())},
        errors=_errors(tally),
        connections=tally.connections,
        p50_ms=p50,
        p99_ms=p99,
        p999_ms=p999,
        interrupted=interrupted,
        posts=list(posts),
        reasons=[*_of_answers(options, tally, interrupted), *_of_counts(posts, tally, found)],
    )


def named(status: str) -> str:
    """A status with its name, `503 Service Unavailable`."""
    known = int(status) in HTTPStatus.__members__.values()
    return f"{status} {HTTPStatus(int(status)).phrase}" if known else status


def _errors(tally: Tally) -> dict[str, int]:
    return {
        "connections_refused": tally.refused,
        "connections_dropped": tally.dropped,
        "retried": tally.retried,
        "lost": tally.lost,
        "unanswered": tally.unanswered,
        "repeated": tally.repeated,
        "strangers": tally.strangers,
    }


def _of_answers(options: Options, tally: Tally, interrupted: bool) -> Iterable[str]:
    acknowledged = sum(tally.acknowledged)
    if interrupted:
        yield f"interrupted after {tally.sent:,} of {options.likes:,} likes"
    elif tally.sent < options.likes:
        yield f"{options.likes - tally.sent:,} likes were never sent: no connection was free or could be opened"
    if acknowledged < tally.sent:
        yield f"{tally.sent - acknowledged:,} of {tally.sent:,} likes sent were not acknowledged"
    for status, count in sorted(tally.statuses.items()):
        if status not in (200, 201):
            detail = tally.details.get(status)
            yield f"{count:,} likes were answered {named(str(status))}" + (f", the first: {detail}" if detail else "")
    if tally.repeated:
        yield f"{tally.repeated:,} likes were answered 200 though sent once: something on the way repeats requests"
    if tally.lost:
        yield f"{tally.lost:,} likes lost their connection twice"
    if tally.unanswered:
        yield f"{tally.unanswered:,} likes had no answer {options.drain_s:g} s after the last was due"
    if tally.strangers:
        yield f"{tally.strangers:,} tokens were not known to the server: LIKEWISE_SECRET here is not that of every pod"


def _of_counts(posts: Sequence[str], tally: Tally, found: Observed) -> Iterable[str]:
    yield from found.problems
    if found.pending:
        yield f"{found.pending:,} likes were still pending: not all are in Postgres yet"
    triples = zip(posts, tally.acknowledged, strict=True)
    each = [(post, count, found.shown.get(post, 0), found.rows.get(post, 0)) for post, count in triples]
    wrong = [one for one in each if not one[1] == one[2] == one[3]]
    for post, acknowledged, shown, rows in wrong[:_EXAMPLES]:
        yield f"{post}: {acknowledged:,} likes acknowledged, {shown:,} shown, {rows:,} rows in Postgres"
    if len(wrong) > _EXAMPLES:
        yield f"{len(wrong) - _EXAMPLES:,} more posts disagree"
