"""Judge a run: every like was acknowledged, and acknowledged = Redis = rows = shown for each post. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from service.loadtest.checks.expected import Expected
from service.loadtest.generator.distribution import KINDS
from service.loadtest.generator.plan import Options
from service.loadtest.generator.recorder import Recorder

# Maximum number of posts that disagree, in the reasons.
_EXAMPLES = 5
# Good statuses by kind of request. A repeat answered with 201 has its own reason.
_GOOD = ({200, 201}, {200}, {200, 201})
_RATE_LIMIT_ADVICE = "; LIKEWISE_UNLIMITED_NETWORKS of the target must contain this machine's network"


@dataclass(frozen=True, slots=True)
class ObservedState:
    """Counts after the last response. A post that is missing has no likes. `pending` None: it could not be read."""

    counted: Mapping[str, int]
    rows: Mapping[str, int]
    shown: Mapping[str, int]
    pending: int | None = 0
    problems: Sequence[str] = ()

    @property
    def agree(self) -> bool:
        """Whether all three have the same count for each post."""
        return self.counted == self.rows == self.shown


@dataclass(frozen=True, slots=True)
class PostCounts:
    """The counts of one post, or their sums. The responses promise a count from `least` to `most`."""

    post: str
    acknowledged: int
    unliked: int
    least: int
    most: int
    counted: int
    rows: int
    shown: int

    @property
    def net(self) -> int:
        """Likes acknowledged, less those taken back."""
        return self.acknowledged - self.unliked

    @property
    def agree(self) -> bool:
        """Whether all counts are what was acknowledged. Likes of unknown outcome then did not count."""
        return self.net == self.counted == self.rows == self.shown

    @property
    def agree_exactly(self) -> bool:
        """Whether all counts agree, and the responses allow no other count."""
        return self.least == self.most == self.counted == self.rows == self.shown

    @property
    def unknown(self) -> bool:
        """Whether the three counts agree on one of several counts that the responses allow."""
        return self.least < self.most and self.counted == self.rows == self.shown and self.allowed

    @property
    def allowed(self) -> bool:
        """Whether the responses allow the count in Redis."""
        return self.least <= self.counted <= self.most

    @property
    def promised(self) -> str:
        """The count that was promised, or its range."""
        return f"{self.least:,}" if self.least == self.most else f"{self.least:,} to {self.most:,}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Sums over all posts, each post (most likes first), and the reasons for a failure, none on success."""

    sums: PostCounts
    posts: list[PostCounts]
    pending: int | None
    interrupted: bool
    reasons: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the run succeeded."""
        return not self.reasons


def judge(
    options: Options,
    posts: Sequence[str],
    recorder: Recorder,
    expected: Sequence[Expected],
    observed: ObservedState,
    *,
    interrupted: bool = False,
) -> Verdict:
    """Return the verdict of a run. `expected` has one item per post."""
    counts = [_counts(post, one, observed) for post, one in zip(posts, expected, strict=True)]
    return Verdict(
        sums=_sum(counts),
        posts=sorted(counts, key=lambda one: -one.acknowledged),
        pending=observed.pending,
        interrupted=interrupted,
        reasons=[
            *_sending_reasons(options, recorder, interrupted),
            *_response_reasons(options, recorder),
            *_count_reasons(counts, observed, allow_errors=options.allow_errors),
        ],
    )


def status_name(status: str) -> str:
    """Return a status with its name, such as `503 Service Unavailable`."""
    is_known = int(status) in HTTPStatus.__members__.values()
    return f"{status} {HTTPStatus(int(status)).phrase}" if is_known else status


def _counts(post: str, expected: Expected, observed: ObservedState) -> PostCounts:
    counts = (source.get(post, 0) for source in (observed.counted, observed.rows, observed.shown))
    return PostCounts(post, expected.acknowledged, expected.unliked, expected.least, expected.most, *counts)


def _sum(counts: Sequence[PostCounts]) -> PostCounts:
    names = ("acknowledged", "unliked", "least", "most", "counted", "rows", "shown")
    return PostCounts("", *(sum(getattr(one, name) for one in counts) for name in names))


def _sending_reasons(options: Options, recorder: Recorder, interrupted: bool) -> Iterable[str]:
    acknowledged = len(recorder.acknowledged)
    if interrupted:
        yield f"interrupted after {recorder.sent:,} of {options.likes:,} likes"
    if options.allow_errors:
        if not acknowledged:
            yield "no like was acknowledged"
        return
    if recorder.sent < options.likes and not interrupted:
        yield f"{options.likes - recorder.sent:,} likes were never sent: no connection was free or could be opened"
    if acknowledged < recorder.sent:
        yield f"{recorder.sent - acknowledged:,} of {recorder.sent:,} likes sent were not acknowledged"
    for kind, name in enumerate(KINDS):
        if recorder.never_sent[kind]:
            yield f"{recorder.never_sent[kind]:,} {name} were never sent: no connection was free or could be opened"
        if recorder.lost[kind]:
            yield f"{recorder.lost[kind]:,} {name} lost their connection twice"
        if recorder.unanswered[kind]:
            waited = f"{options.drain_s:g} s after the end of the sending"
            yield f"{recorder.unanswered[kind]:,} {name} had no response {waited}"


def _response_reasons(options: Options, recorder: Recorder) -> Iterable[str]:
    for kind, name in enumerate(KINDS):
        for status, count in sorted(recorder.statuses[kind].items()):
            if status not in _GOOD[kind] and not (options.allow_errors and status >= 500):
                detail = recorder.details.get(status)
                quoted = f", the first: {detail.rstrip('.')}" if detail else ""
                yield (
                    f"{count:,} {name} were answered with {status_name(str(status))}{quoted}"
                    f"{_RATE_LIMIT_ADVICE * (status == 429)}"
                )
    if recorder.unexpected_200 and not options.allow_errors:
        yield (
            f"{recorder.unexpected_200:,} likes were answered with 200 although they were sent once: "
            "a proxy repeats requests"
        )
    if recorder.counted_twice:
        yield f"{recorder.counted_twice:,} repeats were answered with 201: one actor was counted twice"
    if recorder.unknown_tokens:
        yield (
            f"{recorder.unknown_tokens:,} tokens were unknown to the server: "
            "every pod must have the LIKEWISE_SECRET of this load test"
        )


def _count_reasons(counts: Sequence[PostCounts], observed: ObservedState, *, allow_errors: bool) -> Iterable[str]:
    yield from observed.problems
    if observed.pending:
        yield f"{observed.pending:,} likes were still pending: they are not in Postgres yet"
    unknown = _sum([one for one in counts if one.unknown])
    if unknown.most and not allow_errors:
        yield (
            f"some outcomes are unknown (lost, unanswered or 5xx): {unknown.promised} likes may count, "
            f"and {unknown.rows:,} do"
        )
    wrong = [one for one in counts if not one.agree_exactly and not one.unknown]
    for one in wrong[:_EXAMPLES]:
        yield (
            f"{one.post}: {one.promised} likes acknowledged{' less unlikes' if one.unliked else ''}, "
            f"{one.counted:,} counted by Redis, {one.rows:,} rows in Postgres, {one.shown:,} shown"
        )
    if len(wrong) > _EXAMPLES:
        yield f"{len(wrong) - _EXAMPLES:,} more posts disagree"
