"""Record the outcome of each like during a run. Pure.

Times are seconds since the start. Each list grows by one item per like. The figures are computed after the run.
"""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat

from service.loadtest.generator.distribution import KINDS, LIKE, REPEAT, UNLIKE

# Outcomes of a like that was sent. One of unknown outcome may count or not.
UNKNOWN, ACKNOWLEDGED, REFUSED = 0, 1, 2


def _zeros() -> list[int]:
    return [0] * len(KINDS)


@dataclass(slots=True)
class Recorder:
    """The responses of a run. Lists of three hold a number each for likes, unlikes and repeats."""

    likes: int
    statuses: list[Counter[int]] = field(default_factory=lambda: [Counter() for _ in KINDS])
    # The detail of the first refusal with each status.
    details: dict[int, str] = field(default_factory=dict)
    outcomes: bytearray = field(init=False)
    # The acknowledged likes in the order of their responses, and for each of them the time of its response, and how
    # many likes had been sent by then.
    acknowledged: "array[int]" = field(default_factory=lambda: array("I"))
    acknowledged_at: "array[float]" = field(default_factory=lambda: array("d"))
    sent_by_then: "array[int]" = field(default_factory=lambda: array("I"))
    # The first attempt of each like.
    sent_at: "array[float]" = field(default_factory=lambda: array("d"))
    # The likes that were refused or lost.
    failed_at: "array[float]" = field(default_factory=lambda: array("d"))
    # Durations of unlikes and repeats, from the acknowledgement of their like.
    follow_up_s: "array[float]" = field(default_factory=lambda: array("d"))
    unliked: list[int] = field(default_factory=list)
    maybe_unliked: list[int] = field(default_factory=list)
    # Requests that lost their connection twice, that had no response at the end, and that were never sent.
    lost: list[int] = field(default_factory=_zeros)
    unanswered: list[int] = field(default_factory=_zeros)
    never_sent: list[int] = field(default_factory=_zeros)
    # Likes that were sent at least once.
    sent: int = 0
    # Requests that wait for their response now.
    waiting: int = 0
    # Likes answered with 200 although they were sent once: a proxy repeats requests.
    unexpected_200: int = 0
    # Repeats answered with 201: one actor was counted twice.
    counted_twice: int = 0
    # Requests sent again after their connection was lost.
    retried: int = 0
    connections_dropped: int = 0
    connections_refused: int = 0
    unknown_tokens: int = 0
    # The highest number of connections open at once.
    connections: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0

    def __post_init__(self) -> None:
        self.outcomes = bytearray(self.likes)

    def acknowledge(self, likes: Sequence[int], at: float, status: int = 201) -> None:
        """Record likes whose responses, all with this status, were read together and acknowledge them."""
        self.statuses[LIKE][status] += len(likes)
        for like in likes:
            self.outcomes[like] = ACKNOWLEDGED
        self.acknowledged.extend(likes)
        self.acknowledged_at.extend(repeat(at, len(likes)))
        self.sent_by_then.extend(repeat(self.sent, len(likes)))

    def record_response(self, kind: int, like: int, status: int, at: float, *, retried: bool) -> bool:
        """Record one response. Return whether it acknowledges a like. `retried`: it is to the second attempt."""
        if kind == LIKE and (status == 201 or (status == 200 and retried)):
            self.acknowledge((like,), at, status)
            return True
        self.statuses[kind][status] += 1
        if kind == UNLIKE:
            self._record_unlike(like, status)
        elif kind == REPEAT:
            self.counted_twice += status == 201
        else:
            self._record_refusal(like, status, at)
        return False

    def record_loss(self, kind: int, like: int, at: float) -> None:
        """Record a request that lost its connection twice, so that its outcome is unknown."""
        self.lost[kind] += 1
        if kind == LIKE:
            self.failed_at.append(at)
        elif kind == UNLIKE:
            self.maybe_unliked.append(like)

    def record_unanswered(self, kind: int, like: int) -> None:
        """Record a request that has no response at the end."""
        self.unanswered[kind] += 1
        if kind == UNLIKE:
            self.maybe_unliked.append(like)

    @property
    def failed(self) -> int:
        """Number of likes refused or lost so far."""
        return len(self.failed_at)

    def _record_unlike(self, like: int, status: int) -> None:
        if status == 200:
            self.unliked.append(like)
        elif status >= 500:
            self.maybe_unliked.append(like)

    def _record_refusal(self, like: int, status: int, at: float) -> None:
        # Only a 4xx says that nothing was counted. After a 503 the like may still be counted.
        self.failed_at.append(at)
        self.unexpected_200 += status == 200
        if 400 <= status < 500:
            self.outcomes[like] = REFUSED
