"""A like and its peers, in turn: what a request of each costs in CPU time, over all processes that serve it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import psycopg
from redis.cluster import RedisCluster

from bench import heads
from bench.cpu import Meter
from bench.errors import BenchError
from bench.figures import Costs
from bench.lab import Lab
from bench.sender import send
from service.bootstrap.stores import Stores
from service.core.verify import verify
from service.sharding import shard_of

_STORES = ("flusher", "redis", "postgres")
_SERVERS = ("pod", *_STORES)
_SILENT = "pod-silent"  # one that tells the autoscaler nothing
_DRAIN_S = 120.0


def _nothing(post: str) -> None:
    pass


def _unchecked(post: str, count: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of request. `share`: of the run's requests, as some are slow; `check` raises BenchError."""

    name: str
    port: str
    parts: tuple[str, ...]
    requests: Callable[[str, int], Sequence[bytes]]
    status: int = 200
    share: float = 1.0
    before: Callable[[str], None] = _nothing
    finish: Callable[[str], None] = _nothing
    check: Callable[[str, int], None] = _unchecked


class Contest:
    """The kinds of requests on the servers of a lab, and how many likes were sent so far."""

    def __init__(self, lab: Lab, stores: Stores) -> None:
        self.lab = lab
        self.stores = stores
        self.likes = 0

    def round(self, number: int, requests: int) -> dict[str, Costs]:
        """One measurement of each kind; every second round the other way round."""
        kinds = self.kinds()[:: 1 if number % 2 else -1]
        return {kind.name: self.measure(kind, f"hot-{number}", int(requests * kind.share)) for kind in kinds}

    def measure(self, kind: Kind, post: str, count: int) -> Costs:
        """CPU µs a request, by part."""
        requests = kind.requests(post, count)
        kind.before(post)
        meter = Meter(self.lab.parts(*kind.parts))
        send(self.lab.ports[kind.port], requests, status=kind.status)
        kind.finish(post)
        spent = meter.read()
        kind.check(post, count)
        return {part: seconds / count * 1e6 for part, seconds in spent.items()}

    def kinds(self) -> list[Kind]:
        """All of them."""
        return [
            Kind("empty", "empty", ("empty",), _empty),
            self.like(),
            self.like_unsaid(),
            Kind("empty_stock", "empty-stock", ("empty-stock",), _empty),
            Kind("incr", "incr", ("incr", "incr-redis"), _puts, share=0.5, check=self._check_incr),
            Kind(
                "textbook",
                "textbook",
                ("textbook", "textbook-postgres"),
                self._by_actors,
                status=201,
                share=0.25,
                before=self._add_post,
                check=self._check_textbook,
            ),
            Kind("read", "pod", ("pod",), _reads),
            Kind("read_through_nginx", "nginx", ("pod", "nginx"), _reads),
        ]

    def like(self, held: int = 0) -> Kind:
        """A durable like of one post, that has some likers already: until Postgres has it."""

        def requests(post: str, count: int) -> list[bytes]:
            return self._likes([post], count)

        def check(post: str, count: int) -> None:
            self.check_count(post, held + count)

        return Kind("like", "pod", _SERVERS, requests, status=201, finish=self._drained, check=check)

    def like_unsaid(self) -> Kind:
        """The same on a pod that tells the autoscaler nothing, of a post of its own."""
        like = self.like()
        return replace(
            like,
            name="like_unsaid",
            port=_SILENT,
            parts=(_SILENT, *_STORES),
            requests=lambda post, count: like.requests(f"{post}-unsaid", count),
            finish=lambda post: like.finish(f"{post}-unsaid"),
            check=lambda post, count: like.check(f"{post}-unsaid", count),
        )

    def like_of(self, posts: Sequence[str]) -> Kind:
        """A durable like of some posts in turn."""

        def requests(_: str, count: int) -> list[bytes]:
            return self._likes(posts, count)

        return Kind("like", "pod", _SERVERS, requests, status=201, finish=lambda _: self.drained())

    def check_all(self) -> None:
        """Redis, counts and rows agree, and are as many as were sent."""
        report = verify(self.stores.queue, self.stores.like_store, self.stores.settings.shards)
        if report.problems or report.likes != self.likes:
            raise BenchError(f"{self.likes:,} likes were sent, Postgres has {report.likes:,}; {report.problems[:3]}")

    def drained(self, shards: Sequence[int] | None = None) -> None:
        """Return when nothing is pending in the shards, or in any."""
        give_up = time.monotonic() + _DRAIN_S
        while shards := [one.shard for one in self.stores.queue.poll("", 0, shards) if one.length]:
            if time.monotonic() > give_up:
                raise BenchError(f"Likes were still pending after {_DRAIN_S:g} s.")
            time.sleep(0.5)  # each look is Redis time that the likes are charged with

    def check_count(self, post: str, count: int) -> None:
        """The post has `count` rows in Postgres."""
        shard = shard_of(post, self.stores.settings.shards)
        stored, _ = self.stores.like_store.all_counts(shard).get(post, (0, 0))
        wrong = self.stores.like_store.wrong_counts(shard)
        if stored != count or wrong:
            raise BenchError(f"{post} was liked {count:,} times and Postgres has {stored:,}; wrong: {wrong}.")

    def _likes(self, posts: Sequence[str], count: int) -> list[bytes]:
        first, self.likes = self.likes, self.likes + count
        return heads.likes(posts, heads.visitors(self.lab.secret, count), first)

    def _drained(self, post: str) -> None:
        self.drained([shard_of(post, self.stores.settings.shards)])

    def _by_actors(self, post: str, count: int) -> list[bytes]:
        return heads.as_actors(f"/posts/{post}/like", heads.visitors(self.lab.secret, count))

    def _add_post(self, post: str) -> None:
        with psycopg.connect(self.lab.textbook_url) as connection:
            connection.execute("INSERT INTO posts (post) VALUES (%s)", [post])

    def _check_textbook(self, post: str, count: int) -> None:
        with psycopg.connect(self.lab.textbook_url) as connection:
            found = connection.execute(
                "SELECT likes, (SELECT count(*) FROM likes WHERE post = %s) FROM posts WHERE post = %s", [post, post]
            ).fetchone()
        if found != (count, count):
            raise BenchError(f"The textbook was sent {count:,} likes and has (count, rows) {found}.")

    def _check_incr(self, post: str, count: int) -> None:
        redis = RedisCluster.from_url(self.lab.incr_url)
        found = int(redis.get(f"likes:{post}") or 0)
        redis.close()
        if found != count:
            raise BenchError(f"INCR was asked {count:,} times and says {found:,}.")


def _empty(post: str, count: int) -> list[bytes]:
    return heads.plain("GET", "/", count)


def _puts(post: str, count: int) -> list[bytes]:
    return heads.plain("PUT", f"/posts/{post}/like", count)


def _reads(post: str, count: int) -> list[bytes]:
    return heads.plain("GET", f"/v1/posts/{post}/count", count)
