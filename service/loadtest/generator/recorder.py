"""What came back while requests were sent: one outcome a like, and when it came. Pure.

Times are seconds since the start. Lists grow by one item a like; what they mean together is worked out afterwards.
"""

from array import array
from collections import Counter
from dataclasses import dataclass, field

from service.loadtest.generator.distribution import KINDS, LIKE, REPEAT, UNLIKE

UNKNOWN, ACKNOWLEDGED, REFUSED = 0, 1, 2  # of a like that was sent; unknown: it may count or not


def _zeros() -> list[int]:
    return [0] * len(KINDS)


@dataclass(slots=True)
class Tally:
    """The answers of a run of so many likes. Lists of three have a number for likes, unlikes and repeats."""

    likes: int
    statuses: list[Counter[int]] = field(default_factory=lambda: [Counter() for _ in KINDS])
    details: dict[int, str] = field(default_factory=dict)  # what the first refusal of each status said
    outcomes: bytearray = field(init=False)
    acknowledged: "array[int]" = field(default_factory=lambda: array("I"))  # likes in the order of their answers
    answered_at: "array[float]" = field(default_factory=lambda: array("d"))  # of those
    sent_then: "array[int]" = field(default_factory=lambda: array("I"))  # how many likes had been sent by then
    sent_at: "array[float]" = field(default_factory=lambda: array("d"))  # of each like, its first try
    refused_at: "array[float]" = field(default_factory=lambda: array("d"))  # likes refused or lost
    followed_s: "array[float]" = field(default_factory=lambda: array("d"))  # time of the answer to what followed a like
    unliked: list[int] = field(default_factory=list)  # likes taken back
    perhaps_unliked: list[int] = field(default_factory=list)  # may have been taken back
    lost: list[int] = field(default_factory=_zeros)  # requests lost with their connection twice
    unanswered: list[int] = field(default_factory=_zeros)  # still without answer at the end
    never_sent: list[int] = field(default_factory=_zeros)  # what was to follow a like, and had no connection
    sent: int = 0  # likes that were sent at least once
    waiting: int = 0  # requests on the way now
    repeated: int = 0  # likes answered 200 though sent once: someone on the way sent them twice
    doubled: int = 0  # repeats answered 201: one actor counted twice
    retried: int = 0  # sent again as the connection was lost
    dropped: int = 0  # connections lost while an answer was due
    unopened: int = 0  # connections that could not be opened
    strangers: int = 0  # answers to a token the server did not know
    connections: int = 0  # open at once, at most
    bytes_sent: int = 0
    bytes_received: int = 0

    def __post_init__(self) -> None:
        self.outcomes = bytearray(self.likes)

    def answer(self, kind: int, like: int, status: int, at: float, *, again: bool) -> bool:
        """One answer; `again`: to the second try. Returns whether the like is acknowledged by it, and new."""
        self.statuses[kind][status] += 1
        if kind == UNLIKE:
            self._unlike(like, status)
        elif kind == REPEAT:
            self.doubled += status == 201
        elif status == 201 or (status == 200 and again):
            self.outcomes[like] = ACKNOWLEDGED
            self.acknowledged.append(like)
            self.answered_at.append(at)
            self.sent_then.append(self.sent)
            return True
        else:
            self._refuse(like, status, at)
        return False

    def lose(self, kind: int, like: int, at: float) -> None:
        """A request lost its connection twice: nobody knows what came of it."""
        self.lost[kind] += 1
        if kind == LIKE:
            self.refused_at.append(at)
        elif kind == UNLIKE:
            self.perhaps_unliked.append(like)

    def give_up(self, kind: int, like: int) -> None:
        """A request has no answer by the end."""
        self.unanswered[kind] += 1
        if kind == UNLIKE:
            self.perhaps_unliked.append(like)

    @property
    def bad(self) -> int:
        """Likes refused or lost so far."""
        return len(self.refused_at)

    def _unlike(self, like: int, status: int) -> None:
        if status == 200:
            self.unliked.append(like)
        elif status >= 500:
            self.perhaps_unliked.append(like)

    def _refuse(self, like: int, status: int, at: float) -> None:
        """Only a 4xx says that nothing was counted; after a 503 the wish may be on its way."""
        self.refused_at.append(at)
        self.repeated += status == 200
        if 400 <= status < 500:
            self.outcomes[like] = REFUSED
