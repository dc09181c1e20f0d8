"""Fakes of the ports of `service.core.likes` and `service.core.readiness`, in dictionaries."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import gevent

from service.core.likes import LikeRequest, LikeState
from service.settings import Ack


@dataclass
class FakeLikeStore:
    """First counts by post. Writes raise `error`; `failing` and `incompatible` are what the checks return."""

    seeds: dict[str, int] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    failing: list[str] = field(default_factory=list)
    incompatible: list[str] = field(default_factory=list)
    error: Exception | None = None

    def seed(self, post: str, count: int) -> bool:
        if self.error:
            raise self.error
        if post in self.known:
            return False
        self.known.add(post)
        self.seeds[post] = count
        return True

    def check(self) -> list[str]:
        return self.failing

    def incompatibilities(self) -> list[str]:
        return self.incompatible


@dataclass
class FakeLikeCounter:
    """The likers of each post, on top of the store's first counts. Calls raise `error`."""

    like_store: FakeLikeStore
    likers: dict[str, set[str]] = field(default_factory=dict)
    failing: list[str] = field(default_factory=list)
    answer_age_s: float = 0
    has_counted: bool = True
    error: Exception | None = None
    approximate: bool = False
    clock: itertools.count = field(default_factory=lambda: itertools.count(1_764_000_000_000_123))

    def submit(self, request: LikeRequest, ack: Ack) -> LikeState:
        if self.error:
            raise self.error
        before = request.actor in self.likers.get(request.post, ())
        liked = before if request.liked is None else request.liked
        if liked != before:
            likers = self.likers.setdefault(request.post, set())
            (likers.add if liked else likers.discard)(request.actor)
            self.like_store.known.add(request.post)
        return self._state(request.post, liked, liked != before)

    def states(self, posts: Sequence[str], actor: str = "") -> list[LikeState]:
        if self.error:
            raise self.error
        return [self._state(post, actor in self.likers.get(post, ()), False) for post in posts]

    def invalidate(self, post: str) -> None:
        """Do nothing: there is no cache."""

    def last_answer_age_s(self) -> float:
        return self.answer_age_s

    def has_ever_counted(self) -> bool:
        return self.has_counted

    def check(self) -> list[str]:
        return self.failing

    def _state(self, post: str, liked: bool, changed: bool) -> LikeState:
        count = self.like_store.seeds.get(post, 0) + len(self.likers.get(post, ()))
        return LikeState(post, liked, changed, count, next(self.clock), self.approximate)


@dataclass
class FakeLoopCounter:
    """The same counter for the event loop. It answers later, in a greenlet."""

    counter: FakeLikeCounter

    def begin(self, request: LikeRequest, done: Callable[[LikeState | Exception], None]) -> None:
        gevent.spawn(self._finish, request, done)

    def tick(self) -> None:
        """Do nothing: nothing takes long."""

    def close(self) -> None:
        """Do nothing: there is no socket."""

    def _finish(self, request: LikeRequest, done: Callable[[LikeState | Exception], None]) -> None:
        try:
            state = self.counter.submit(request, "memory")
        except Exception as error:
            done(error)
        else:
            done(state)
