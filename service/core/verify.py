"""Consistency of Redis, counts and rows: the comparison behind `likewise verify` and the flusher's checks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from service.core.queue import ShardStatus, pending

# A like that arrives between two reads looks like a difference, but not in every comparison.
_DRIFT_COMPARISONS = 3


class PostgresState(Protocol):
    """The counts and rows in Postgres. Raises LikeStoreUnavailableError."""

    def all_counts(self, shard: int) -> dict[str, tuple[int, int]]:
        """Return (likes stored, seed) of each post of the shard."""

    def wrong_counts(self, shard: int) -> list[tuple[str, int, int]]:
        """Return (post, count, rows) of each post whose stored count differs from its number of rows."""


class RedisState(Protocol):
    """The counts in Redis. Raises CounterUnavailableError."""

    def poll(self, owner: str, lease_ms: int, shards: Sequence[int] | None = None) -> list[ShardStatus]:
        """Return the status of each shard, or of `shards`, that answers."""

    def posts(self, shard: int) -> Iterable[tuple[str, dict[str, int]]]:
        """Yield each post with its fields b, r, p, k and e, and `members`: -1 for an incomplete set."""


@dataclass(slots=True)
class ConsistencyReport:
    """The result of a comparison. `problems` is empty if everything agrees."""

    posts: int = 0
    likes: int = 0
    in_redis: int = 0
    pending: int = 0
    dead_letters: int = 0
    problems: list[str] = field(default_factory=list)


def verify(redis: RedisState, postgres: PostgresState, shards: int) -> ConsistencyReport:
    """Compare all shards.

    The result is exact once nothing is pending. A shard with pending likes is compared within Postgres only.
    """
    statuses = {status.shard: status for status in redis.poll("", 0)}
    report = ConsistencyReport(
        pending=pending(statuses.values()), dead_letters=sum(status.dead_letters for status in statuses.values())
    )
    for shard in range(shards):
        if shard not in statuses:
            report.problems.append(f"shard {shard}: its Redis node does not answer, or starts a new epoch")
        _compare_shard(report, redis, postgres, shard, statuses.get(shard))
    if report.dead_letters:
        report.problems.append(f"{report.dead_letters} likes were refused by Postgres and wait in dead-letter streams")
    return report


def drift(redis: RedisState, postgres: PostgresState, shard: int) -> list[str]:
    """Return the differences of a shard that receives likes: only those that several comparisons in a row find."""
    found: set[str] | None = None
    for _ in range(_DRIFT_COMPARISONS):
        report = ConsistencyReport()
        _compare_shard(report, redis, postgres, shard, next(iter(redis.poll("", 0, [shard])), None))
        found = set(report.problems) if found is None else found.intersection(report.problems)
        if not found:
            break
    return sorted(found or ())


def _compare_shard(
    report: ConsistencyReport, redis: RedisState, postgres: PostgresState, shard: int, status: ShardStatus | None
) -> None:
    counts = postgres.all_counts(shard)
    report.posts += len(counts)
    report.likes += sum(likes for likes, _ in counts.values())
    report.problems += [
        f"{post}: Postgres counts {count} likes and holds {rows} rows"
        for post, count, rows in postgres.wrong_counts(shard)
    ]
    if status and status.length == 0:
        _compare_with_redis(report, redis, shard, status.epoch, counts)


def _compare_with_redis(
    report: ConsistencyReport, redis: RedisState, shard: int, epoch: int, counts: dict[str, tuple[int, int]]
) -> None:
    for post, fields in redis.posts(shard):
        # The post was evicted meanwhile, or is loaded again before it is next shown.
        if "b" not in fields or fields["e"] != epoch:
            continue
        report.in_redis += 1
        likes, seed = counts.get(post, (0, 0))
        shown = fields["b"] + fields["p"]
        if shown != likes + seed:
            report.problems.append(f"{post}: Redis shows {shown} likes, Postgres has {likes + seed}")
        if fields["k"] == 0 and fields["members"] not in (-1, likes):
            report.problems.append(f"{post}: Redis knows {fields['members']} likers, Postgres {likes}")
