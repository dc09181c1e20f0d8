"""Compare the CPU time of a like with that of its peers, over all processes that serve a request."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import psycopg
from redis.cluster import RedisCluster

from bench.cpu import CpuMeter
from bench.errors import BenchError
from bench.figures import Costs
from bench.requests import like_requests, new_tokens, plain_requests, textbook_requests
from bench.sender import send
from bench.testbed import Testbed
from service.bootstrap.stores import Stores
from service.core.verify import verify
from service.sharding import shard_of

_STORES = ("flusher", "redis", "postgres")
_SERVERS = ("pod", *_STORES)
# A pod that publishes no load reports for the autoscaler.
_SILENT_POD = "pod-silent"
_DRAIN_S = 120.0


def _no_preparation(post: str) -> None:
    pass


def _no_check(post: str, count: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class RequestKind:
    """A kind of request.

    share: its share of a round's requests, less than 1 if they are slow.
    before, finish: called with the post before the measurement, and at its end as a part of it.
    check: called with the post and the number of requests; raises BenchError.
    """

    name: str
    port: str
    parts: tuple[str, ...]
    build: Callable[[str, int], Sequence[bytes]]
    status: int = 200
    share: float = 1.0
    before: Callable[[str], None] = _no_preparation
    finish: Callable[[str], None] = _no_preparation
    check: Callable[[str, int], None] = _no_check


class Comparison:
    """The kinds of requests on the servers of a testbed, and the number of likes sent so far."""

    def __init__(self, testbed: Testbed, stores: Stores) -> None:
        self.testbed = testbed
        self.stores = stores
        self.likes = 0

    def round(self, number: int, requests: int) -> dict[str, Costs]:
        """Measure each kind once. Every second round has the reverse order."""
        kinds = self.kinds()[:: 1 if number % 2 else -1]
        return {kind.name: self.measure(kind, f"hot-{number}", int(requests * kind.share)) for kind in kinds}

    def measure(self, kind: RequestKind, post: str, count: int) -> Costs:
        """Return the CPU µs per request, by part."""
        requests = kind.build(post, count)
        kind.before(post)
        meter = CpuMeter(self.testbed.parts(*kind.parts))
        send(self.testbed.ports[kind.port], requests, status=kind.status)
        kind.finish(post)
        spent = meter.read()
        kind.check(post, count)
        return {part: seconds / count * 1e6 for part, seconds in spent.items()}

    def kinds(self) -> list[RequestKind]:
        """Return all kinds of requests."""
        return [
            RequestKind("empty", "empty", ("empty",), _empty_requests),
            self.like(),
            self.like_without_reports(),
            RequestKind("empty_stock", "empty-stock", ("empty-stock",), _empty_requests),
            RequestKind("incr", "incr", ("incr", "incr-redis"), _incr_requests, share=0.5, check=self._check_incr),
            RequestKind(
                "textbook",
                "textbook",
                ("textbook", "textbook-postgres"),
                self._textbook_requests,
                status=201,
                share=0.25,
                before=self._add_textbook_post,
                check=self._check_textbook,
            ),
            RequestKind("read", "pod", ("pod",), _read_requests),
            RequestKind("read_through_nginx", "nginx", ("pod", "nginx"), _read_requests),
        ]

    def like(self, existing: int = 0) -> RequestKind:
        """Return a durable like of one post that has `existing` likes. It is measured until Postgres has it."""

        def build(post: str, count: int) -> list[bytes]:
            return self._like_requests([post], count)

        def check(post: str, count: int) -> None:
            self.check_count(post, existing + count)

        return RequestKind("like", "pod", _SERVERS, build, status=201, finish=self._wait_stored, check=check)

    def like_without_reports(self) -> RequestKind:
        """Return the same kind on a pod without load reports, with another post."""
        like = self.like()
        return replace(
            like,
            # The results file has this name.
            name="like_unsaid",
            port=_SILENT_POD,
            parts=(_SILENT_POD, *_STORES),
            build=lambda post, count: like.build(f"{post}-unsaid", count),
            finish=lambda post: like.finish(f"{post}-unsaid"),
            check=lambda post, count: like.check(f"{post}-unsaid", count),
        )

    def like_of(self, posts: Sequence[str]) -> RequestKind:
        """Return a durable like of several posts in turn."""

        def build(_: str, count: int) -> list[bytes]:
            return self._like_requests(posts, count)

        return RequestKind("like", "pod", _SERVERS, build, status=201, finish=lambda _: self.wait_stored())

    def check_all(self) -> None:
        """Raise BenchError unless Redis, counts and rows agree, and are as many as were sent."""
        report = verify(self.stores.queue, self.stores.like_store, self.stores.settings.shards)
        if report.problems or report.likes != self.likes:
            raise BenchError(f"{self.likes:,} likes were sent, Postgres has {report.likes:,}; {report.problems[:3]}")

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
        shard = shard_of(post, self.stores.settings.shards)
        stored, _ = self.stores.like_store.all_counts(shard).get(post, (0, 0))
        wrong = self.stores.like_store.wrong_counts(shard)
        if stored != count or wrong:
            raise BenchError(f"{post} was liked {count:,} times and Postgres has {stored:,}; wrong: {wrong}.")

    def _like_requests(self, posts: Sequence[str], count: int) -> list[bytes]:
        first, self.likes = self.likes, self.likes + count
        return like_requests(posts, new_tokens(self.testbed.secret, count), first)

    def _wait_stored(self, post: str) -> None:
        self.wait_stored([shard_of(post, self.stores.settings.shards)])

    def _textbook_requests(self, post: str, count: int) -> list[bytes]:
        return textbook_requests(f"/posts/{post}/like", new_tokens(self.testbed.secret, count))

    def _add_textbook_post(self, post: str) -> None:
        with psycopg.connect(self.testbed.textbook_url) as connection:
            connection.execute("INSERT INTO posts (post) VALUES (%s)", [post])

    def _check_textbook(self, post: str, count: int) -> None:
        with psycopg.connect(self.testbed.textbook_url) as connection:
            found = connection.execute(
                "SELECT likes, (SELECT count(*) FROM likes WHERE post = %s) FROM posts WHERE post = %s", [post, post]
            ).fetchone()
        if found != (count, count):
            raise BenchError(f"The textbook service was sent {count:,} likes and has (count, rows) {found}.")

    def _check_incr(self, post: str, count: int) -> None:
        redis = RedisCluster.from_url(self.testbed.incr_url)
        found = int(redis.get(f"likes:{post}") or 0)
        redis.close()
        if found != count:
            raise BenchError(f"The INCR service was sent {count:,} likes and has counted {found:,}.")


def _empty_requests(post: str, count: int) -> list[bytes]:
    return plain_requests("GET", "/", count)


def _incr_requests(post: str, count: int) -> list[bytes]:
    return plain_requests("PUT", f"/posts/{post}/like", count)


def _read_requests(post: str, count: int) -> list[bytes]:
    return plain_requests("GET", f"/v1/posts/{post}/count", count)
