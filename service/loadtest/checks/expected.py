"""What each post's count has to be by the answers: a number, or a range where outcomes are not known. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from service.loadtest.generator.recorder import ACKNOWLEDGED, UNKNOWN, Tally


@dataclass(frozen=True, slots=True)
class Expected:
    """One post. `perhaps`: likes that may count; `perhaps_unliked`: likes that may have been taken back."""

    acknowledged: int
    unliked: int = 0
    perhaps: int = 0
    perhaps_unliked: int = 0

    @property
    def least(self) -> int:
        return self.acknowledged - self.unliked - self.perhaps_unliked

    @property
    def most(self) -> int:
        return self.acknowledged + self.perhaps - self.unliked


def expected(tally: Tally, post_of: Sequence[int], posts: int) -> list[Expected]:
    """By post; only likes that were sent can count."""
    outcomes = Counter(zip(post_of[: tally.sent], tally.outcomes[: tally.sent], strict=True))
    unliked = Counter(post_of[like] for like in tally.unliked)
    perhaps_unliked = Counter(post_of[like] for like in tally.perhaps_unliked)
    return [
        Expected(outcomes[post, ACKNOWLEDGED], unliked[post], outcomes[post, UNKNOWN], perhaps_unliked[post])
        for post in range(posts)
    ]
