"""What can be done: like, unlike, count. Knows neither HTTP nor drivers; those come through the ports below."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from service.errors import InvalidInputError
from service.observability.metrics import COUNT_CACHE_LOOKUPS, COUNT_STALENESS_SECONDS
from service.settings import Ack

MAX_ID_BYTES = 200
MAX_POSTS = 100
_HIT, _MISS = COUNT_CACHE_LOOKUPS.labels("hit"), COUNT_CACHE_LOOKUPS.labels("miss")
_ALLOWED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/~-")


@dataclass(frozen=True, slots=True)
class LikeRequest:
    """The wish of one actor for one post, or (`liked` None) the question whether it is liked.

    `trace` is the W3C `traceparent` of a wish that is followed, '' for nearly all.
    """

    post: str
    actor: str
    liked: bool | None = None
    trace: str = ""


@dataclass(frozen=True, slots=True)
class LikeState:
    """How a post stands. `liked` is the actor's own, False where none asked; `changed`: this call made it so.

    `count` is never negative; `approximate` is True while the count may correct itself (Postgres away);
    `as_of_us` is µs since 1970 by the counter's clock, and never goes back for one post of one life.
    """

    post: str
    liked: bool
    changed: bool
    count: int
    as_of_us: int
    approximate: bool = False


class LikeCounter(Protocol):
    """Counts at once and queues for the like_store. Raises UnavailableError or one of its kinds."""

    def submit(self, request: LikeRequest, ack: Ack) -> LikeState:
        """Make one wish true, or answer one question."""

    def states(self, posts: Sequence[str], actor: str = "") -> list[LikeState]:
        """How posts stand, in their order, to the actor or to nobody; a post never liked has count 0."""

    def invalidate(self, post: str) -> None:
        """Say that the like_store was changed outside the queue: the base of this post is loaded again."""


class LikeStore(Protocol):
    """Keeps every like. Raises LikeStoreUnavailableError."""

    def seed(self, post: str, count: int) -> bool:
        """Start a post's count at `count`; False where the post was known already, which changes nothing."""


def valid_id(value: str, field: str) -> str:
    """`value`, or InvalidInputError naming `field`: 1 to 200 bytes of [A-Za-z0-9._:/~-], without dot segments."""
    if not value:
        raise InvalidInputError(field, f"{field} is empty; give 1 to {MAX_ID_BYTES} characters")
    if len(value) > MAX_ID_BYTES:
        raise InvalidInputError(field, f"{field} has {len(value)} characters; at most {MAX_ID_BYTES} are allowed")
    if not _ALLOWED.issuperset(value):
        bad = next(char for char in value if char not in _ALLOWED)
        raise InvalidInputError(field, f"{field} holds {bad!r}; allowed are A-Z a-z 0-9 . _ : / ~ -")
    if not {".", "..", ""}.isdisjoint(value.split("/")):
        raise InvalidInputError(field, f"{field} holds an empty or dot segment between slashes")
    return value


def _valid_posts(posts: Sequence[str]) -> None:
    if not 1 <= len(posts) <= MAX_POSTS:
        raise InvalidInputError("post", f"give 1 to {MAX_POSTS} posts, not {len(posts)}")
    for post in posts:
        valid_id(post, "post")


class Likes:
    """The use cases, on a counter and a like_store."""

    def __init__(
        self,
        *,
        counter: LikeCounter,
        like_store: LikeStore,
        ack: Ack = "memory",
        cache_ms: int = 250,
        asked: Callable[[str], object] = bool,
    ) -> None:
        self._counter = counter
        self._like_store = like_store
        self._ack = ack
        self._asked = asked  # told of each post that a request is about
        self._cache_s = cache_ms / 1000
        self._cache: dict[str, tuple[float, LikeState]] = {}
        self._hits = 0  # not counted yet: the next miss does, so that a hit costs nothing

    def like(self, post: str, actor: str) -> LikeState:
        """Count the actor once. `changed` is False where the actor liked the post already."""
        return self._submit(LikeRequest(post, actor, True))

    def unlike(self, post: str, actor: str) -> LikeState:
        """Take a like back. `changed` is False where there was none."""
        return self._submit(LikeRequest(post, actor, False))

    def state(self, post: str, actor: str) -> LikeState:
        """The actor's own state and the count, never from a cache."""
        return self._submit(LikeRequest(post, actor))

    def states(self, posts: Sequence[str], actor: str) -> list[LikeState]:
        """The actor's own state and the count of 1 to 100 posts in their order, never from a cache."""
        _valid_posts(posts)
        valid_id(actor, "actor")
        return self._counter.states(posts, actor)

    def counts(self, posts: Sequence[str]) -> list[LikeState]:
        """Counts of 1 to 100 posts in their order, at most the cache's age old."""
        _valid_posts(posts)
        if len(posts) == 1:  # a page of many is one request, not a rush on each
            self._asked(posts[0])
        now = time.monotonic()
        known = {post: hit[1] for post in posts if (hit := self._cache.get(post)) and now - hit[0] < self._cache_s}
        missing = [post for post in dict.fromkeys(posts) if post not in known]
        self._hits += len(known)
        if missing:
            fresh = {state.post: state for state in self._counter.states(missing)}
            self._remember(now, fresh)
            self._count(len(missing), time.monotonic() - now)
            known |= fresh
        return [known[post] for post in posts]

    def seed(self, post: str, count: int) -> None:
        """Give a post that nobody liked yet its first count; later calls change nothing."""
        valid_id(post, "post")
        if not 0 <= count < 2**53:
            raise InvalidInputError("likes", "likes must be a whole number from 0 to 2^53 - 1")
        if self._like_store.seed(post, count):
            self._counter.invalidate(post)
            self._cache.pop(post, None)

    def _submit(self, request: LikeRequest) -> LikeState:
        valid_id(request.post, "post")
        valid_id(request.actor, "actor")
        self._asked(request.post)
        return self._counter.submit(request, self._ack)

    def _count(self, missing: int, reading_s: float) -> None:
        """A like as new as can be is missing until the cache's entry ends, and while the next one is read."""
        COUNT_STALENESS_SECONDS.observe(self._cache_s + reading_s)
        _MISS.inc(missing)
        _HIT.inc(self._hits)
        self._hits = 0

    def _remember(self, now: float, fresh: dict[str, LikeState]) -> None:
        if len(self._cache) > 10_000:  # a crawler over an archive must not grow a pod
            self._cache.clear()
        self._cache.update((post, (now, state)) for post, state in fresh.items())
