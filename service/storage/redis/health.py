"""Which Redis primaries answer: each is asked on a thread of its own, so one that hangs delays nobody."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Thread

from service.errors import CounterUnavailableError
from service.storage.redis.cluster import Cluster, Node

_WAIT_S = 1.0


class HealthProbe:
    """Asks the primaries of a cluster, and remembers when any of them last answered."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._asking: dict[Node, Thread] = {}
        self._reading = Thread()
        self._said: dict[Node, str] = {}  # '' where all is well
        self._answered_at = -math.inf

    def silent_s(self) -> float:
        """Seconds since any primary last answered; `inf` before the first time."""
        return time.monotonic() - self._answered_at

    def check(self) -> list[str]:
        """One sentence for each primary that does not answer within a second."""
        try:
            nodes = self._cluster.primaries()
        except CounterUnavailableError as error:
            return [str(error)]
        give_up = time.monotonic() + _WAIT_S
        # One that still waits for its answer is not asked again.
        self._asking = {node: _running(self._asking.get(node)) or _run(partial(self._ask, node)) for node in nodes}
        for thread in self._asking.values():
            thread.join(max(0.0, give_up - time.monotonic()))
        failing = [sentence for node in nodes if (sentence := self._sentence(node))]
        if failing and not self._reading.is_alive():
            self._reading = _run(self._read_slots)
        return failing

    def _ask(self, node: Node) -> None:
        try:
            reply = node.call([("PING",)])[0]
        except CounterUnavailableError as error:
            self._said[node] = str(error)
            return
        well = reply == b"PONG"
        self._said[node] = "" if well else f"Redis {node.name}: {reply}"
        if well:
            self._answered_at = time.monotonic()

    def _sentence(self, node: Node) -> str:
        hangs = self._asking[node].is_alive()
        return f"Redis {node.name} does not answer" if hangs else self._said.pop(node)

    def _read_slots(self) -> None:
        """A pod that nobody sends requests must find out by itself which nodes are primaries now."""
        with suppress(CounterUnavailableError):  # each node's own sentence says it
            self._cluster.refresh()


def _running(thread: Thread | None) -> Thread | None:
    return thread if thread and thread.is_alive() else None


def _run(what: Callable[[], None]) -> Thread:
    thread = Thread(target=what, daemon=True)
    thread.start()
    return thread
