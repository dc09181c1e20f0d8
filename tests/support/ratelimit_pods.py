"""Pods of a test: each its own quota and sharing, one clock, no thread; their rounds are called by hand."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from service.ratelimit.limiter import LimitedError, Quota
from service.ratelimit.sync import Heard, Shared, Sharing

NOON = 1_800_000_000.0  # begins a minute


class Clock:
    """Called, or asked for `time()`, it gives `now`, in seconds since 1970."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    time = __call__


class Board:
    """What the pods left for each other, in a dict; `failing` names the counters that cannot be told."""

    def __init__(self) -> None:
        self.counts: dict[str, dict[int, int]] = defaultdict(dict)
        self.exchanges: list[int] = []
        self.failing = lambda name: False

    def seats(self, number: int) -> list["Seat"]:
        """A place at the board for each pod."""
        return [Seat(self) for _ in range(number)]


class Seat:
    """One pod's place at a board; see `service.ratelimit.sync.Shared`."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def tell(self, counts: Mapping[str, int], ttl_s: int) -> Heard:
        self._board.exchanges.append(len(counts))
        told = {name: count for name, count in counts.items() if not self._board.failing(name)}
        for name, count in told.items():
            self._board.counts[name][id(self)] = count
        others = {name: sum(self._board.counts[name].values()) - count for name, count in told.items()}
        return Heard(others, "the board is away" if len(told) < len(counts) else "")


class Pod:
    """One process: a quota of its own, that hears of the others in `round`."""

    def __init__(self, shared: Shared, clock: Clock, limit: str = "10/minute") -> None:
        self.quota = Quota("a-limit", limit, "LIKEWISE_A_LIMIT", clock=clock)
        self.sharing = Sharing([self.quota], shared, 0.5)
        self.quota.before_use = None  # a test calls the rounds

    def hits(self, number: int, who: str = "a") -> int:
        """How many of so many uses were allowed."""
        return sum(allowed(self.quota, who) for _ in range(number))

    def round(self) -> None:
        """Tell and hear."""
        self.sharing.round()


def pods_at(shared: Sequence[Shared], clock: Clock, limit: str = "10/minute") -> list[Pod]:
    """A pod for each place."""
    return [Pod(place, clock, limit) for place in shared]


def round_of(pods: Sequence[Pod]) -> None:
    """One round of each, in order."""
    for pod in pods:
        pod.round()


def allowed(quota: Quota, who: str = "a") -> bool:
    """Whether one more use was allowed."""
    try:
        quota.spend(who)
    except LimitedError:
        return False
    return True


def overshoot(ticks: Sequence[Sequence[int]]) -> int:
    """The promised bound beyond the limit: ticks are the uses that reach each pod between two rounds of all."""
    return sum(1 + max(map(sum, zip([0, *at_pod], at_pod, strict=False))) for at_pod in zip(*ticks, strict=True))


def taken(pods: Sequence[Pod], ticks: Sequence[Sequence[int]]) -> Iterator[int]:
    """How many uses are allowed in each tick, each ended by a round of every pod."""
    for tick in ticks:
        yield sum(pod.hits(number) for pod, number in zip(pods, tick, strict=True))
        round_of(pods)
