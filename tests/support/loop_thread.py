"""The counter of a pod's event loop, for tests that wait. Its loop runs in a thread of its own."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

import gevent

from service.bootstrap.stores import Stores, create_likes, create_loop_counter
from service.core.likes import LikeCounter, LikeRequest, Likes, LikeState
from service.settings import Ack
from service.storage.redis.loop_counter import RedisLoopCounter

WAIT_S = 30


class LoopThread:
    """Runs an event loop, and the functions that others give it."""

    def __init__(self) -> None:
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._started.wait(WAIT_S)

    def call(self, function, *args) -> object:
        """Run a function in a callback of the loop, and return its result."""
        done: Future = Future()

        def run() -> None:
            try:
                done.set_result(function(*args))
            except BaseException as error:
                done.set_exception(error)

        self._loop.run_callback_threadsafe(run)
        return done.result(WAIT_S)

    def close(self) -> None:
        """End the loop."""
        self._loop.run_callback_threadsafe(self._stop.set)
        self._thread.join(WAIT_S)

    def _run(self) -> None:
        self._loop = gevent.get_hub().loop
        self._stop = gevent.event.Event()
        self._started.set()
        # Without a timer, gevent would take a loop that only other threads wake for a deadlock.
        while not self._stop.wait(0.05):
            pass


class WaitingCounter:
    """A LikeCounter whose likes and unlikes go through the event loop."""

    def __init__(self, loop: LoopThread, on_loop: RedisLoopCounter, counter: LikeCounter) -> None:
        self._loop = loop
        self._on_loop = on_loop
        self._counter = counter

    def submit(self, request: LikeRequest, ack: Ack) -> LikeState:
        if request.liked is None or ack != "memory":
            return self._counter.submit(request, ack)
        outcome: Future = Future()
        self._loop.call(self._on_loop.begin, request, outcome.set_result)
        result = outcome.result(WAIT_S)
        if isinstance(result, Exception):
            raise result
        return result

    def states(self, posts: Sequence[str], actor: str = "") -> list[LikeState]:
        return self._counter.states(posts, actor)

    def invalidate(self, post: str) -> None:
        self._counter.invalidate(post)


@contextmanager
def loop_counter(stores: Stores) -> Iterator[tuple[LoopThread, RedisLoopCounter]]:
    """Yield an event loop that ticks, and its counter."""
    loop = LoopThread()
    on_loop = create_loop_counter(stores)
    assert on_loop
    ticker = loop.call(lambda: gevent.get_hub().loop.timer(0.05, 0.05))
    loop.call(ticker.start, on_loop.tick)
    try:
        yield loop, on_loop
    finally:
        loop.call(ticker.stop)
        loop.call(on_loop.close)
        loop.close()


@contextmanager
def likes_on_loop(stores: Stores) -> Iterator[Likes]:
    """Yield the use cases, with a counter on an event loop that ticks."""
    with loop_counter(stores) as (loop, on_loop):
        yield create_likes(stores, trace=lambda counter: WaitingCounter(loop, on_loop, counter))
