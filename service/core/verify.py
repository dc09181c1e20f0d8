"""Whether Redis, counts and rows agree: what `likewise verify` says."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from service.core.queue import ShardStatus, pending


class PostgresState(Protocol):
    """What Postgres holds. Raises LikeStoreUnavailableError."""

    def all_counts(self, shard: int) -> dict[str, tuple[int, int]]:
        """Each post of the shard: (likes stored, seed)."""

    def wrong_counts(self, shard: int) -> list[tuple[str, int, int]]:
        """Posts whose stored count is not their rows: (post, count, rows)."""


class RedisState(Protocol):
    """What Redis holds. Raises CounterUnavailableError."""

    def poll(self, owner: str, lease_ms: int, shards: Sequence[int] | None = None) -> list[ShardStatus]:
        """Every shard, or of some, that answers."""

    def posts(self, shard: int) -> Iterable[tuple[str, dict[str, int]]]:
        """Each post with b, r, p, k, e and `members` (-1: not whole)."""


@dataclass(slots=True)
class Report:
    """What was compared. `problems` is empty where all agree."""

    posts: int = 0
    likes: int = 0
    in_redis: int = 0
    pending: int = 0
    dead_letters: int = 0
    problems: list[str] = field(default_factory=list)


def verify(held: RedisState, rows: PostgresState, shards: int) -> Report:
    """Compare all shards. Exact once nothing is pending; a shard with pending likes is only compared in Postgres."""
    polled = {one.shard: one for one in held.poll("", 0)}
    report = Report(pending=pending(polled.values()), dead_letters=sum(one.dead for one in polled.values()))
    for shard in range(shards):
        if shard not in polled:
            report.problems.append(f"shard {shard}: its Redis node does not answer, or begins a new life")
        _look_at(report, held, rows, shard, polled.get(shard))
    if report.dead_letters:
        report.problems.append(f"{report.dead_letters} likes were refused by Postgres and wait in dead-letter streams")
    return report


def drift(held: RedisState, rows: PostgresState, shard: int) -> list[str]:
    """What disagrees at a shard while likes come in: only what three looks in a row find alike."""
    found: set[str] | None = None
    for _ in range(3):
        report = Report()
        _look_at(report, held, rows, shard, next(iter(held.poll("", 0, [shard])), None))
        found = set(report.problems) if found is None else found.intersection(report.problems)
        if not found:
            break
    return sorted(found or ())


def _look_at(report: Report, held: RedisState, rows: PostgresState, shard: int, polled: ShardStatus | None) -> None:
    bases = rows.all_counts(shard)
    report.posts += len(bases)
    report.likes += sum(n for n, _ in bases.values())
    report.problems += [
        f"{post}: Postgres counts {n} likes and holds {real} rows" for post, n, real in rows.wrong_counts(shard)
    ]
    if polled and polled.length == 0:
        _compare(report, held, shard, polled.epoch, bases)


def _compare(report: Report, held: RedisState, shard: int, epoch: int, bases: dict[str, tuple[int, int]]) -> None:
    for post, found in held.posts(shard):
        if "b" not in found or found["e"] != epoch:  # gone meanwhile, or loaded again before it is next shown
            continue
        report.in_redis += 1
        n, seed = bases.get(post, (0, 0))
        shown = found["b"] + found["p"]
        if shown != n + seed:
            report.problems.append(f"{post}: Redis shows {shown} likes, Postgres has {n + seed}")
        if found["k"] == 0 and found["members"] not in (-1, n):
            report.problems.append(f"{post}: Redis knows {found['members']} likers, Postgres {n}")
