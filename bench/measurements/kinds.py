"""The kinds of requests that are compared: likes, counts, and the same on the peers."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import psycopg
from redis.cluster import RedisCluster

from bench.errors import BenchError
from bench.measurements.comparison import Comparison, RequestKind
from bench.measurements.direct_likes import like_all, new_actors
from bench.requests import new_tokens, plain_requests, textbook_requests
from bench.sender import send

_STORES = ("flusher", "redis", "postgres")
# Likers of the post whose count is read.
_READ_LIKES = 1_000
# Node compiles what is hot only after some thousand requests.
_WARM_UP = 5_000


def _empty_requests(run: Comparison, post: str, count: int) -> list[bytes]:
    return plain_requests("GET", "/", count)


def _read_requests(run: Comparison, post: str, count: int) -> list[bytes]:
    return plain_requests("GET", f"/v1/posts/{post}/count", count)


def _like_post(run: Comparison, post: str) -> None:
    like_all(run.stores, [post], new_actors(_READ_LIKES))
    run.likes += _READ_LIKES
    run.wait_stored()


def _like_requests(run: Comparison, post: str, count: int) -> list[bytes]:
    return run.like_requests([post], count)


def _wait_stored(run: Comparison, post: str) -> None:
    run.wait_stored([run.shard_of(post)])


def _incr_requests(run: Comparison, post: str, count: int) -> list[bytes]:
    return plain_requests("PUT", f"/posts/{post}/like", count)


def _warm_up_incr(name: str) -> Callable[[Comparison, str], None]:
    def warm_up(run: Comparison, post: str) -> None:
        send(run.testbed.ports[name], _incr_requests(run, f"{post}-warm-up", _WARM_UP), status=200)

    return warm_up


def _check_incr(run: Comparison, post: str, count: int) -> None:
    redis = RedisCluster.from_url(run.testbed.incr_url)
    found = int(redis.get(f"likes:{post}") or 0)
    redis.close()
    if found != count:
        raise BenchError(f"{post} was sent {count:,} likes, and INCR has counted {found:,}.")


def _textbook_requests(run: Comparison, post: str, count: int) -> list[bytes]:
    return textbook_requests(f"/posts/{post}/like", new_tokens(run.testbed.settings, count))


def _add_textbook_post(run: Comparison, post: str) -> None:
    with psycopg.connect(run.testbed.textbook_url) as connection:
        connection.execute("INSERT INTO posts (post) VALUES (%s)", [post])


def _check_textbook(run: Comparison, post: str, count: int) -> None:
    with psycopg.connect(run.testbed.textbook_url) as connection:
        found = connection.execute(
            "SELECT likes, (SELECT count(*) FROM likes WHERE post = %s) FROM posts WHERE post = %s", [post, post]
        ).fetchone()
    if found != (count, count):
        raise BenchError(f"The textbook service was sent {count:,} likes and has (count, rows) {found}.")


def like_of_one(name: str = "like", server: str = "pod", existing: int = 0) -> RequestKind:
    """Return a durable like of one post that has `existing` likes. It is measured until Postgres has it."""

    def check(run: Comparison, post: str, count: int) -> None:
        run.check_count(post, existing + count)

    return RequestKind(name, server, (server, *_STORES), _like_requests, status=201, finish=_wait_stored, check=check)


def like_of(posts: Sequence[str]) -> RequestKind:
    """Return a durable like of several posts in turn."""

    def build(run: Comparison, _: str, count: int) -> list[bytes]:
        return run.like_requests(posts, count)

    return replace(like_of_one(), build=build, finish=lambda run, _: run.wait_stored(), check=lambda *_: None)


def _incr(name: str, **more: Any) -> RequestKind:
    return RequestKind(name, name, (name, "incr-redis"), _incr_requests, check=_check_incr, **more)


def _at(kind: RequestKind, connections: int) -> RequestKind:
    """Return the same kind over another number of connections, where it may take longer."""
    return replace(kind, name=f"{kind.name}_{connections}", connections=connections, share=0.5)


EMPTY = RequestKind("empty", "empty", ("empty",), _empty_requests)
_LIKE = like_of_one()
_READ = RequestKind("read", "pod", ("pod",), _read_requests, before=_like_post)
_NGINX_LIKE = replace(_LIKE, name="like_through_nginx", server="nginx", parts=("nginx", "pod", *_STORES))
_NGINX_EMPTY = replace(EMPTY, name="empty_through_nginx", server="nginx-empty", parts=("nginx-empty", "empty"))

# What is compared stands close together, as the speed of a machine changes with time.
KINDS = (
    RequestKind("empty_stock", "empty-stock", ("empty-stock",), _empty_requests),
    _READ,
    replace(_READ, name="read_through_nginx", server="nginx", parts=("pod", "nginx")),
    EMPTY,
    _LIKE,
    _incr("go_incr", before=_warm_up_incr("go_incr")),
    _incr("node_incr", before=_warm_up_incr("node_incr")),
    _incr("node_incr_unpipelined", before=_warm_up_incr("node_incr_unpipelined")),
    _incr("granian_incr", before=_warm_up_incr("granian_incr")),
    _incr("incr", share=0.5),
    RequestKind(
        "textbook",
        "textbook",
        ("textbook", "textbook-postgres"),
        _textbook_requests,
        status=201,
        share=0.25,
        before=_add_textbook_post,
        check=_check_textbook,
    ),
    like_of_one("like_unsaid", "pod-silent"),
    _at(EMPTY, 16),
    _at(_LIKE, 16),
    _at(EMPTY, 4),
    _at(_LIKE, 4),
    _NGINX_EMPTY,
    _NGINX_LIKE,
    _at(_NGINX_EMPTY, 8),
    _at(_NGINX_LIKE, 8),
)
