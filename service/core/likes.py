"""The use cases: like, unlike and count. Storage is reached through the ports of this module."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NewType, Protocol

from service.errors import InvalidInputError
from service.observability.metrics import COUNT_CACHE_LOOKUPS, COUNT_STALENESS_SECONDS
from service.settings import Ack

# An id that `validate_id` has returned.
ValidId = NewType("ValidId", str)
MAX_ID_BYTES = 200
MAX_POSTS = 100
_MAX_CACHED_POSTS = 10_000
_HIT, _MISS = COUNT_CACHE_LOOKUPS.labels("hit"), COUNT_CACHE_LOOKUPS.labels("miss")
_ALLOWED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/~-")


class LikeRequest(NamedTuple):
    """A like, an unlike, or (`liked` None) a read, of one post by one actor.

    `trace` is the W3C `traceparent` of a traced request, and empty for nearly all.
    """

    post: str
    actor: str
    liked: bool | None = None
    trace: str = ""


# Not frozen: that would triple the cost of making one, and each like makes one.
@dataclass(slots=True)
class LikeState:
    """The state of a post, as one actor sees it. Nothing changes it.

    `liked` is the actor's own state, False without an actor. `changed` is True if this request changed it.
    `count` is never negative. `approximate` is True while the count may still be corrected (Postgres is unavailable).
    `as_of_us` is the counter's clock in µs since 1970; it never goes back for a post within an epoch.
    """

    post: str
    liked: bool
    changed: bool
    count: int
    as_of_us: int
    approximate: bool = False


class LikeCounter(Protocol):
    """Counts likes at once, and queues them for the like store. Raises UnavailableError or a subclass."""

    def submit(self, request: LikeRequest, ack: Ack) -> LikeState:
        """Apply a like or an unlike, or answer a read."""

    def states(self, posts: Sequence[str], actor: str = "") -> list[LikeState]:
        """Return the state of each post, in order. A post without likes has count 0. `actor` may be empty."""

    def invalidate(self, post: str) -> None:
        """Discard the cached count of a post that was changed in the like store outside the queue."""


class LikeStore(Protocol):
    """The database of all likes. Raises LikeStoreUnavailableError."""

    def seed(self, post: str, count: int) -> bool:
        """Start a post's count at `count`. Return False, and change nothing, if the post is known already."""


def validate_id(value: str, field: str) -> ValidId:
    """Return `value` if it is a valid id; raise InvalidInputError, which names `field`, if not.

    An id has 1 to 200 bytes of [A-Za-z0-9._:/~-], and no empty or dot segment between slashes.
    """
    if not value:
        raise InvalidInputError(field, f"{field} is empty; give 1 to {MAX_ID_BYTES} characters")
    if len(value) > MAX_ID_BYTES:
        raise InvalidInputError(field, f"{field} has {len(value)} characters; at most {MAX_ID_BYTES} are allowed")
    if not _ALLOWED.issuperset(value):
        bad = next(char for char in value if char not in _ALLOWED)
        raise InvalidInputError(field, f"{field} holds {bad!r}; allowed are A-Z a-z 0-9 . _ : / ~ -")
    if not {".", "..", ""}.isdisjoint(value.split("/")):
        raise InvalidInputError(field, f"{field} holds an empty or dot segment between slashes")
    return ValidId(value)


def _check_posts(posts: Sequence[str]) -> None:
    if not 1 <= len(posts) <= MAX_POSTS:
        raise InvalidInputError("post", f"give 1 to {MAX_POSTS} posts, not {len(posts)}")
    for post in posts:
        validate_id(post, "post")


class Likes:
    """The use cases, on top of a counter and a like store.

    `on_request` is called with each post that a request is about; the load report names the busiest posts.
    """

    def __init__(
        self,
        *,
        counter: LikeCounter,
        like_store: LikeStore,
        ack: Ack = "memory",
        cache_ms: int = 250,
        on_request: Callable[[str], object] = bool,
    ) -> None:
        self._counter = counter
        self._like_store = like_store
        self._ack = ack
        self._on_request = on_request
        self._cache_s = cache_ms / 1000
        self._cache: dict[str, tuple[float, LikeState]] = {}
        # Hits are added to the metric by the next miss, so that a hit costs nothing.
        self._uncounted_hits = 0

    def like(self, post: ValidId, actor: str) -> LikeState:
        """Count the actor once. `changed` is False if the actor liked the post already."""
        return self._counter.submit(self.request(post, actor, True), self._ack)

    def unlike(self, post: ValidId, actor: str) -> LikeState:
        """Remove the actor's like. `changed` is False if there was none."""
        return self._counter.submit(self.request(post, actor, False), self._ack)

    def state(self, post: ValidId, actor: str) -> LikeState:
        """Return the actor's own state and the count, never from the cache."""
        return self._counter.submit(self.request(post, actor), self._ack)

    def request(self, post: ValidId, actor: str, liked: bool | None = None) -> LikeRequest:
        """Return a valid request for a counter. It counts as one for the post."""
        validate_id(actor, "actor")
        self._on_request(post)
        return LikeRequest(post, actor, liked)

    def states(self, posts: Sequence[str], actor: str) -> list[LikeState]:
        """Return the actor's own state and the count of 1 to 100 posts, in order, never from the cache."""
        _check_posts(posts)
        validate_id(actor, "actor")
        return self._counter.states(posts, actor)

    def counts(self, posts: Sequence[str]) -> list[LikeState]:
        """Return the counts of 1 to 100 posts, in order. A count may be as old as the cache allows."""
        _check_posts(posts)
        # A request for many posts comes from a page that lists them. It does not show that each post is popular.
        if len(posts) == 1:
            self._on_request(posts[0])
        now = time.monotonic()
        found = {post: state for post in posts if (state := self._cached(post, now))}
        missing = [post for post in dict.fromkeys(posts) if post not in found]
        self._uncounted_hits += len(found)
        if missing:
            fresh = {state.post: state for state in self._counter.states(missing)}
            self._store_in_cache(now, fresh)
            self._observe_lookups(len(missing), time.monotonic() - now)
            found |= fresh
        return [found[post] for post in posts]

    def cached_counts(self, posts: Sequence[str]) -> list[LikeState] | None:
        """Return the same from the cache alone, without waiting. None, and nothing is counted, if a post is missing."""
        if len(posts) > MAX_POSTS:
            return None
        now, found = time.monotonic(), []
        for post in posts:
            state = self._cached(post, now)
            if state is None:
                return None
            found.append(state)
        if len(found) == 1:
            self._on_request(posts[0])
        self._uncounted_hits += len(found)
        return found

    def seed(self, post: ValidId, count: int) -> None:
        """Give a post that nobody has liked yet its first count. Later calls change nothing."""
        if not 0 <= count < 2**53:
            raise InvalidInputError("likes", "likes must be a whole number from 0 to 2^53 - 1")
        if self._like_store.seed(post, count):
            self._counter.invalidate(post)
            self._cache.pop(post, None)

    def _observe_lookups(self, missing: int, reading_s: float) -> None:
        # The newest like is missing until its cache entry expires, and while the next count is read.
        COUNT_STALENESS_SECONDS.observe(self._cache_s + reading_s)
        _MISS.inc(missing)
        _HIT.inc(self._uncounted_hits)
        self._uncounted_hits = 0

    def _cached(self, post: str, now: float) -> LikeState | None:
        hit = self._cache.get(post)
        return hit[1] if hit and now - hit[0] < self._cache_s else None

    def _store_in_cache(self, now: float, fresh: dict[str, LikeState]) -> None:
        # A crawler that reads an archive must not make the process grow.
        if len(self._cache) > _MAX_CACHED_POSTS:
            self._cache.clear()
        self._cache.update((post, (now, state)) for post, state in fresh.items())
