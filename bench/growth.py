"""What a like costs as a post has more likers, and as likes are spread over more posts."""

from collections.abc import Callable

from bench.contest import Contest
from bench.figures import Costs
from bench.memory import like_all, new_actors

FEW = 1_000  # likers of the post that all is compared with


class Growth:
    """Likes of a post with few likers, of one with many, and of many posts, in turn."""

    def __init__(self, contest: Contest, big: str, likers: int, posts: int) -> None:
        self._contest = contest
        self._big = big
        self._big_likers = likers
        self._posts = [f"known-{at}" for at in range(posts)]

    def prepare(self) -> None:
        """Each of the posts has one liker, and Redis and Postgres know it."""
        self._like(self._posts, len(self._posts))
        self._contest.lab.vacuum()

    def round(self, number: int, requests: int) -> dict[str, Costs]:
        """One measurement of each; every second round the other way round."""
        steps: list[tuple[str, Callable[[int, int], Costs]]] = [
            ("like_at_few", self._at_few),
            ("like_at_many", self._at_many),
            ("like_over_posts", self._over_posts),
            ("like_over_new_posts", self._over_new_posts),
        ]
        return {name: step(number, requests) for name, step in steps[:: 1 if number % 2 else -1]}

    def _at_few(self, number: int, requests: int) -> Costs:
        post = f"few-{number}"
        self._like([post], FEW)
        return self._contest.measure(self._contest.like(held=FEW), post, requests)

    def _at_many(self, number: int, requests: int) -> Costs:
        costs = self._contest.measure(self._contest.like(held=self._big_likers), self._big, requests)
        self._big_likers += requests
        return costs

    def _over_posts(self, number: int, requests: int) -> Costs:
        first = number * requests % len(self._posts)
        return self._over(self._posts[first:] + self._posts[:first], requests)

    def _over_new_posts(self, number: int, requests: int) -> Costs:
        return self._over([f"new-{number}-{at}" for at in range(requests)], requests)

    def _over(self, posts: list[str], requests: int) -> Costs:
        return self._contest.measure(self._contest.like_of(posts), "", requests)

    def _like(self, posts: list[str], count: int) -> None:
        like_all(self._contest.stores, posts, new_actors(count))
        self._contest.likes += count
        self._contest.drained()
