"""The figures of the bench: what each compares, its limit, and its further goals."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A figure. Without a limit it is informative.

    of: the two kinds of requests whose costs are divided. `at_least`: more is better.
    """

    what: str
    of: tuple[str, str] | None = None
    must: float | None = None
    reach: tuple[float, ...] = ()
    at_least: bool = False


TARGETS: dict[str, Target] = {
    "like_vs_empty_flask": Target("a durable like / an empty Flask route", ("like", "empty"), 0.28, (0.20,)),
    "like_vs_empty_flask_16": Target(
        "the same at 16 connections instead of 64", ("like_16", "empty_16"), 0.35, (0.28,)
    ),
    "like_vs_empty_flask_4": Target("the same at 4 connections", ("like_4", "empty_4"), 0.60, (0.50,)),
    "like_vs_empty_flask_stock_worker": Target(
        "a durable like / an empty Flask route in gunicorn's gevent worker", ("like", "empty_stock")
    ),
    "like_through_nginx_vs_empty_flask_through_nginx": Target(
        "a durable like / an empty Flask route, both through NGINX and with its cost",
        ("like_through_nginx", "empty_through_nginx"),
        0.60,
        (0.40,),
    ),
    "like_through_nginx_vs_empty_flask_through_nginx_8": Target(
        "the same at 8 connections", ("like_through_nginx_8", "empty_through_nginx_8"), 0.60, (0.40,)
    ),
    "go_incr_vs_like": Target(
        "Go net/http + go-redis INCR / a durable like", ("go_incr", "like"), 1.0, (1.3,), at_least=True
    ),
    "node_incr_vs_like": Target(
        "Node Fastify + ioredis INCR with autopipelining / a durable like",
        ("node_incr", "like"),
        1.0,
        (2.0,),
        at_least=True,
    ),
    "node_incr_unpipelined_vs_like": Target(
        "the same without ioredis' autopipelining, which is off by default", ("node_incr_unpipelined", "like")
    ),
    "granian_incr_vs_like": Target(
        "ASGI in Granian + redis-py INCR / a durable like", ("granian_incr", "like"), 1.0, (2.0,), at_least=True
    ),
    "incr_vs_like": Target("Flask + Redis INCR / a durable like", ("incr", "like"), 6, (10,), at_least=True),
    "textbook_vs_like": Target(
        "Flask + Postgres transaction / a durable like", ("textbook", "like"), 12, (20,), at_least=True
    ),
    "signals_vs_none": Target("a durable like / one on a pod without load reports", ("like", "like_unsaid"), 1.05),
    "read_vs_empty_flask": Target(
        "a cached count from the pod / an empty Flask route", ("read", "empty"), 0.10, (0.06,)
    ),
    "read_through_nginx_vs_empty_flask": Target(
        "a count from NGINX's cache / an empty Flask route", ("read_through_nginx", "empty"), 0.10, (0.05,)
    ),
    "like_many_posts_vs_empty_flask": Target(
        "a durable like over 100,000 posts / an empty Flask route", ("like_over_posts", "empty_beside"), 0.60, (0.40,)
    ),
    "growth_likers": Target(
        "a like at many likers of the post / at 1,000", ("like_at_many", "like_at_few"), 1.1, (1.0,)
    ),
    "growth_new_posts": Target("a like over as many new posts / over one", ("like_over_new_posts", "like_at_few")),
    "postgres_bytes_per_like": Target("Postgres with all indexes, bytes per like", None, 180, (130,)),
    "redis_settled_bytes_per_like": Target("Redis, bytes per like once it is in Postgres", None, 45, (40,)),
    "redis_pending_bytes_per_like": Target("Redis, bytes that a like adds while it is queued", None, 55, (40,)),
    "start_s": Target("a pod: seconds from its process start until it is ready", None, 1.5, (1.0,)),
}
