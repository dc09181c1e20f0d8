"""Whether a drill went well: all acknowledged, and acknowledged = Redis = rows = shown for each post. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from service.loadtest.checks.expected import Expected
from service.loadtest.generator.distribution import KINDS
from service.loadtest.generator.plan import Options
from service.loadtest.generator.recorder import Tally

_EXAMPLES = 5  # of posts that disagree, in the reasons
_GOOD = ({200, 201}, {200}, {200, 201})  # by kind of request; a repeat answered 201 has a reason of its own
_TOO_MANY = "; a crowd at one address needs LIKEWISE_UNLIMITED_NETWORKS of the target to hold this machine's network"


@dataclass(frozen=True, slots=True)
class Observed:
    """What was found after the last answer. A missing post has no likes; `pending` None: it could not be learned."""

    counted: Mapping[str, int]
    rows: Mapping[str, int]
    shown: Mapping[str, int]
    pending: int | None = 0
    problems: Sequence[str] = ()

    @property
    def agree(self) -> bool:
        """Whether all three say the same of each post."""
        return self.counted == self.rows == self.shown


@dataclass(frozen=True, slots=True)
class Counts:
    """One post, or all of them, in numbers that ought to be one. `least` to `most`: what the answers promise."""

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
        """Whether all is as acknowledged; what nobody knows the outcome of did not count then."""
        return self.net == self.counted == self.rows == self.shown

    @property
    def one_number(self) -> bool:
        """Whether they agree, and nothing else could have been."""
        return self.least == self.most == self.counted == self.rows == self.shown

    @property
    def unknown(self) -> bool:
        """The three agree on something that the answers allow, but do not say."""
        return self.least < self.most and self.counted == self.rows == self.shown and self.allowed

    @property
    def allowed(self) -> bool:
        return self.least <= self.counted <= self.most

    @property
    def promised(self) -> str:
        """The number that was promised, or the range."""
        return f"{self.least:,}" if self.least == self.most else f"{self.least:,} to {self.most:,}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The sums of a run, and the reasons why it did not go well: none where it did. `posts`: those with most likes."""

    sums: Counts
    posts: list[Counts]
    pending: int | None
    interrupted: bool
    reasons: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.reasons


def judge(
    options: Options,
    posts: Sequence[str],
    tally: Tally,
    expected: Sequence[Expected],
    found: Observed,
    *,
    interrupted: bool = False,
) -> Verdict:
    """The verdict of a run; `expected` has one item a post."""
    each = [_counts(post, one, found) for post, one in zip(posts, expected, strict=True)]
    return Verdict(
        sums=_sum(each),
        posts=sorted(each, key=lambda one: -one.acknowledged),
        pending=found.pending,
        interrupted=interrupted,
        reasons=[
            *_of_sending(options, tally, interrupted),
            *_of_answers(options, tally),
            *_of_counts(each, found, expecting_trouble=options.trouble),
        ],
    )


def named(status: str) -> str:
    """A status with its name, `503 Service Unavailable`."""
    known = int(status) in HTTPStatus.__members__.values()
    return f"{status} {HTTPStatus(int(status)).phrase}" if known else status


def _counts(post: str, one: Expected, found: Observed) -> Counts:
    there = (numbers.get(post, 0) for numbers in (found.counted, found.rows, found.shown))
    return Counts(post, one.acknowledged, one.unliked, one.least, one.most, *there)


def _sum(each: Sequence[Counts]) -> Counts:
    names = ("acknowledged", "unliked", "least", "most", "counted", "rows", "shown")
    return Counts("", *(sum(getattr(one, name) for one in each) for name in names))


def _of_sending(options: Options, tally: Tally, interrupted: bool) -> Iterable[str]:
    acknowledged = len(tally.acknowledged)
    if interrupted:
        yield f"interrupted after {tally.sent:,} of {options.likes:,} likes"
    if options.trouble:
        if not acknowledged:
            yield "no like was acknowledged"
        return
    if tally.sent < options.likes and not interrupted:
        yield f"{options.likes - tally.sent:,} likes were never sent: no connection was free or could be opened"
    if acknowledged < tally.sent:
        yield f"{tally.sent - acknowledged:,} of {tally.sent:,} likes sent were not acknowledged"
    for kind, name in enumerate(KINDS):
        if tally.never_sent[kind]:
            yield f"{tally.never_sent[kind]:,} {name} were never sent: no connection was free or could be opened"
        if tally.lost[kind]:
            yield f"{tally.lost[kind]:,} {name} lost their connection twice"
        if tally.unanswered[kind]:
            yield f"{tally.unanswered[kind]:,} {name} had no answer {options.drain_s:g} s after the last was due"


def _of_answers(options: Options, tally: Tally) -> Iterable[str]:
    for kind, name in enumerate(KINDS):
        for status, count in sorted(tally.statuses[kind].items()):
            if status not in _GOOD[kind] and not (options.trouble and status >= 500):
                detail = tally.details.get(status)
                said = f", the first: {detail.rstrip('.')}" if detail else ""
                yield f"{count:,} {name} were answered {named(str(status))}{said}{_TOO_MANY * (status == 429)}"
    if tally.repeated and not options.trouble:
        yield f"{tally.repeated:,} likes were answered 200 though sent once: something on the way repeats requests"
    if tally.doubled:
        yield f"{tally.doubled:,} repeats were answered 201: one actor counted twice"
    if tally.strangers:
        yield f"{tally.strangers:,} tokens were not known to the server: LIKEWISE_SECRET here is not that of every pod"


def _of_counts(each: Sequence[Counts], found: Observed, *, expecting_trouble: bool) -> Iterable[str]:
    yield from found.problems
    if found.pending:
        yield f"{found.pending:,} likes were still pending: not all are in Postgres yet"
    unknown = _sum([one for one in each if one.unknown])
    if unknown.most and not expecting_trouble:
        yield (
            f"some outcomes are not known (lost, unanswered or 5xx): {unknown.promised} likes may count, "
            f"and {unknown.rows:,} do"
        )
    wrong = [one for one in each if not one.one_number and not one.unknown]
    for one in wrong[:_EXAMPLES]:
        yield (
            f"{one.post}: {one.promised} likes acknowledged{' less unlikes' if one.unliked else ''}, "
            f"{one.counted:,} counted by Redis, {one.rows:,} rows in Postgres, {one.shown:,} shown"
        )
    if len(wrong) > _EXAMPLES:
        yield f"{len(wrong) - _EXAMPLES:,} more posts disagree"
