"""Measure the CPU time of a request over all processes that serve it, one kind of request after the other."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.cpu import CpuMeter
from bench.errors import BenchError
from bench.figures import Costs
from bench.requests import like_requests, new_tokens
from bench.sender import CONNECTIONS, send
from bench.testbed import Testbed
from service.bootstrap.stores import Stores
from service.core.verify import verify
from service.sharding import shard_of

_DRAIN_S = 120.0


class Comparison:
    """The servers of a testbed, and the number of likes sent so far."""

    def __init__(self, testbed: Testbed, stores: Stores) -> None:
        self.testbed = testbed
        self.stores = stores
        self.likes = 0

    def round(self, kinds: Sequence["RequestKind"], number: int, requests: int) -> dict[str, Costs]:
        """Measure each kind once, each with a post of its own. Every second round has the reverse order."""
        return {
            kind.name: self.measure(kind, f"{kind.name}-{number}", int(requests * kind.share))
            for kind in kinds[:: 1 if number % 2 else -1]
        }

    def measure(self, kind: "RequestKind", post: str, count: int) -> Costs:
        """Return the CPU µs per request, by part."""
        requests = kind.build(self, post, count)
        kind.before(self, post)
        meter = CpuMeter(self.testbed.parts(*kind.parts))
        send(self.testbed.ports[kind.server], requests, status=kind.status, connections=kind.connections)
        kind.finish(self, post)
        spent = meter.read()
        kind.check(self, post, count)
        return {part: seconds / count * 1e6 for part, seconds in spent.items()}

    def like_requests(self, posts: Sequence[str], count: int) -> list[bytes]:
        """Return likes of new visitors, for the posts in turn, and count them."""
        first, self.likes = self.likes, self.likes + count
        return like_requests(posts, new_tokens(self.testbed.settings, count), first)

    def shard_of(self, post: str) -> int:
        """Return the shard of a post."""
        return shard_of(post, self.stores.settings.shards)

    def wait_stored(self, shards: Sequence[int] | None = None) -> None:
        """Return when nothing is pending in the shards, by default in all. Raises BenchError."""
        give_up = time.monotonic() + _DRAIN_S
        while shards := [status.shard for status in self.stores.queue.poll("", 0, shards) if status.length]:
            if time.monotonic() > give_up:
                raise BenchError(f"Likes were still pending after {_DRAIN_S:g} s.")
            # Each poll costs Redis time that is charged to the likes.
            time.sleep(0.5)

    def check_count(self, post: str, count: int) -> None:
        """Raise BenchError unless the post has `count` rows in Postgres."""
        shard = self.shard_of(post)
        stored, _ = self.stores.like_store.all_counts(shard).get(post, (0, 0))
        wrong = self.stores.like_store.wrong_counts(shard)
        if stored != count or wrong:
            raise BenchError(f"{post} was liked {count:,} times and Postgres has {stored:,}; wrong: {wrong}.")

    def check_all(self) -> None:
        """Raise BenchError unless Redis, counts and rows agree, and are as many as were sent."""
        report = verify(self.stores.queue, self.stores.like_store, self.stores.settings.shards)
        if report.problems or report.likes != self.likes:
            raise BenchError(f"{self.likes:,} likes were sent, Postgres has {report.likes:,}; {report.problems[:3]}")


def _nothing(run: Comparison, post: str) -> None:
    pass


def _no_check(run: Comparison, post: str, count: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class RequestKind:
    """A kind of request.

    server: the server that gets the requests. parts: all servers whose CPU time counts.
    share: its share of a round's requests, less than 1 if they are slow.
    before, finish: called with the post before the measurement, and at its end as a part of it.
    check: called with the post and the number of requests; raises BenchError.
    """

    name: str
    server: str
    parts: tuple[str, ...]
    build: Callable[[Comparison, str, int], Sequence[bytes]]
    status: int = 200
    connections: int = CONNECTIONS
    share: float = 1.0
    before: Callable[[Comparison, str], None] = _nothing
    finish: Callable[[Comparison, str], None] = _nothing
    check: Callable[[Comparison, str, int], None] = _no_check
