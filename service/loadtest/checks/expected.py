"""Compute what each post's count must be: a number, or a range if some outcomes are unknown. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from service.loadtest.generator.recorder import ACKNOWLEDGED, UNKNOWN, Recorder


@dataclass(frozen=True, slots=True)
class Expected:
    """Likes of one post. `maybe_counted` and `maybe_unliked` are those of unknown outcome."""

    acknowledged: int
    unliked: int = 0
    maybe_counted: int = 0
    maybe_unliked: int = 0

    @property
    def least(self) -> int:
        """The lowest count that the responses allow."""
        return self.acknowledged - self.unliked - self.maybe_unliked

    @property
    def most(self) -> int:
        """The highest count that the responses allow."""
        return self.acknowledged + self.maybe_counted - self.unliked


def expected_counts(recorder: Recorder, post_of: Sequence[int], posts: int) -> list[Expected]:
    """Return the expectation for each post. Only likes that were sent can count."""
    sent = recorder.sent
    outcomes = Counter(zip(post_of[:sent], recorder.outcomes[:sent], strict=True))
    unliked = Counter(post_of[like] for like in recorder.unliked)
    maybe_unliked = Counter(post_of[like] for like in recorder.maybe_unliked)
    return [
        Expected(outcomes[post, ACKNOWLEDGED], unliked[post], outcomes[post, UNKNOWN], maybe_unliked[post])
        for post in range(posts)
    ]
