"""The number of pending entries, summed over the shards."""

from service.core.queue import ShardStatus, pending


def test_pending_entries_are_those_of_all_shards() -> None:
    statuses = [ShardStatus(shard, 1, True, length, 0.0, 0) for shard, length in enumerate((3, 0, 4))]
    assert pending(statuses) == 7
    assert pending([]) == 0
