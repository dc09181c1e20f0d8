"""Pods of a test: each has its own limiter, and all share one clock. There is no thread; the test syncs them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from service.ratelimit.limiter import RateLimiter, RateLimitExceededError
from service.ratelimit.sync import PeerCounts, PeerStore, PeerSync

# The beginning of a minute.
NOON = 1_800_000_000.0


class Clock:
    """A clock that the test sets. Calling it, or its `time()`, returns `now` in seconds since 1970."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    time = __call__


class FakeStore:
    """The pods' counts in a dictionary. `failing` selects the counters that cannot be exchanged."""

    def __init__(self) -> None:
        self.counts: dict[str, dict[int, int]] = defaultdict(dict)
        self.exchanges: list[int] = []
        self.failing = lambda name: False

    def clients(self, number: int) -> list["FakeStoreClient"]:
        """Return a client for each of `number` pods."""
        return [FakeStoreClient(self) for _ in range(number)]


class FakeStoreClient:
    """One pod's client of the store. It implements `service.ratelimit.sync.PeerStore`."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    def exchange(self, counts: Mapping[str, int], ttl_s: int) -> PeerCounts:
        self._store.exchanges.append(len(counts))
        published = {name: count for name, count in counts.items() if not self._store.failing(name)}
        for name, count in published.items():
            self._store.counts[name][id(self)] = count
        others = {name: sum(self._store.counts[name].values()) - count for name, count in published.items()}
        return PeerCounts(others, "the store is unavailable" if len(published) < len(counts) else "")


class Pod:
    """One process with its own limiter. `sync` exchanges its counts."""

    def __init__(self, store: PeerStore, clock: Clock, limit: str = "10/minute") -> None:
        self.limiter = RateLimiter("a-limit", limit, "LIKEWISE_A_LIMIT", clock=clock)
        self.peer_sync = PeerSync([self.limiter], store, 0.5)
        # No thread: the test calls `sync`.
        self.limiter.before_first_hit = None

    def hits(self, number: int, key: str = "a") -> int:
        """Return how many of `number` hits were allowed."""
        return sum(is_allowed(self.limiter, key) for _ in range(number))

    def sync(self) -> None:
        """Exchange the counts once."""
        self.peer_sync.exchange()


def pods_at(stores: Sequence[PeerStore], clock: Clock, limit: str = "10/minute") -> list[Pod]:
    """Return a pod for each client of the store."""
    return [Pod(store, clock, limit) for store in stores]


def sync_all(pods: Sequence[Pod]) -> None:
    """Sync each pod once, in order."""
    for pod in pods:
        pod.sync()


def is_allowed(limiter: RateLimiter, key: str = "a") -> bool:
    """Return whether one more hit was allowed."""
    try:
        limiter.hit(key)
    except RateLimitExceededError:
        return False
    return True


def max_overshoot(ticks: Sequence[Sequence[int]]) -> int:
    """Return the promised bound beyond the limit. Ticks are the hits that reach each pod between two syncs of all."""
    return sum(1 + max(map(sum, zip([0, *at_pod], at_pod, strict=False))) for at_pod in zip(*ticks, strict=True))


def allowed_hits(pods: Sequence[Pod], ticks: Sequence[Sequence[int]]) -> Iterator[int]:
    """Yield how many hits are allowed in each tick. A sync of every pod ends each tick."""
    for tick in ticks:
        yield sum(pod.hits(number) for pod, number in zip(pods, tick, strict=True))
        sync_all(pods)
