"""Health checks of the Redis primaries. Each ping has its own thread, so a primary that hangs delays no other."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Thread

from service.errors import CounterUnavailableError
from service.storage.redis.cluster import Cluster
from service.storage.redis.node import Node

_TIMEOUT_S = 1.0


class HealthProbe:
    """Pings the primaries of a cluster, and remembers the time of the last answer."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._pings: dict[Node, Thread] = {}
        self._refresh = Thread()
        # The last failure of each node; empty if it answered.
        self._failures: dict[Node, str] = {}
        self._answered_at = -math.inf

    def last_answer_age_s(self) -> float:
        """Return the seconds since any primary last answered; `inf` before the first answer."""
        return time.monotonic() - self._answered_at

    def check(self) -> list[str]:
        """Return one sentence for each primary that does not answer within a second."""
        try:
            nodes = self._cluster.primaries()
        except CounterUnavailableError as error:
            return [str(error)]
        give_up = time.monotonic() + _TIMEOUT_S
        # A node that has not answered its last ping yet is not sent another.
        self._pings = {node: _alive(self._pings.get(node)) or _start(partial(self._ping, node)) for node in nodes}
        for thread in self._pings.values():
            thread.join(max(0.0, give_up - time.monotonic()))
        failures = [failure for node in nodes if (failure := self._failure(node))]
        if failures and not self._refresh.is_alive():
            self._refresh = _start(self._refresh_slots)
        return failures

    def _ping(self, node: Node) -> None:
        try:
            reply = node.call([("PING",)])[0]
        except CounterUnavailableError as error:
            self._failures[node] = str(error)
            return
        answered = reply == b"PONG"
        self._failures[node] = "" if answered else f"Redis {node.name}: {reply}"
        if answered:
            self._answered_at = time.monotonic()

    def _failure(self, node: Node) -> str:
        hangs = self._pings[node].is_alive()
        return f"Redis {node.name} does not answer" if hangs else self._failures.pop(node)

    def _refresh_slots(self) -> None:
        """Read the slot map again: a pod that receives no requests would not learn of new primaries."""
        # Each node's own failure is reported already.
        with suppress(CounterUnavailableError):
            self._cluster.refresh()


def _alive(thread: Thread | None) -> Thread | None:
    return thread if thread and thread.is_alive() else None


def _start(work: Callable[[], None]) -> Thread:
    thread = Thread(target=work, daemon=True)
    thread.start()
    return thread
