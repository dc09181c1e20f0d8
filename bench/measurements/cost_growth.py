"""Measure how the cost of a like grows with the likers of its post, and with the number of posts."""

from collections.abc import Callable

from bench.figures import Costs
from bench.measurements.comparison import Comparison
from bench.measurements.direct_likes import like_all, new_actors
from bench.measurements.kinds import EMPTY, like_of, like_of_one

# Number of likers of the post that the others are compared with.
FEW = 1_000


class CostGrowth:
    """Likes of a post with few likers, of one with many, and of many posts, in turn."""

    def __init__(self, comparison: Comparison, big_post: str, likers: int, posts: int) -> None:
        self._comparison = comparison
        self._big_post = big_post
        self._big_post_likers = likers
        self._posts = [f"known-{at}" for at in range(posts)]

    def prepare(self) -> None:
        """Give each post one liker, in Redis and Postgres."""
        self._like(self._posts, len(self._posts))
        self._comparison.testbed.vacuum()

    def round(self, number: int, requests: int) -> dict[str, Costs]:
        """Measure each kind once. Every second round has the reverse order."""
        steps: list[tuple[str, Callable[[int, int], Costs]]] = [
            ("like_at_few", self._at_few),
            ("like_at_many", self._at_many),
            ("like_over_posts", self._over_posts),
            ("empty_beside", self._empty),
            ("like_over_new_posts", self._over_new_posts),
        ]
        return {name: step(number, requests) for name, step in steps[:: 1 if number % 2 else -1]}

    def _at_few(self, number: int, requests: int) -> Costs:
        post = f"few-{number}"
        self._like([post], FEW)
        return self._comparison.measure(like_of_one(existing=FEW), post, requests)

    def _at_many(self, number: int, requests: int) -> Costs:
        kind = like_of_one(existing=self._big_post_likers)
        costs = self._comparison.measure(kind, self._big_post, requests)
        self._big_post_likers += requests
        return costs

    def _over_posts(self, number: int, requests: int) -> Costs:
        first = number * requests % len(self._posts)
        return self._over(self._posts[first:] + self._posts[:first], requests)

    def _over_new_posts(self, number: int, requests: int) -> Costs:
        return self._over([f"new-{number}-{at}" for at in range(requests)], requests)

    def _empty(self, number: int, requests: int) -> Costs:
        return self._comparison.measure(EMPTY, "", requests)

    def _over(self, posts: list[str], requests: int) -> Costs:
        return self._comparison.measure(like_of(posts), "", requests)

    def _like(self, posts: list[str], count: int) -> None:
        like_all(self._comparison.stores, posts, new_actors(count))
        self._comparison.likes += count
        self._comparison.wait_stored()
