"""Read the counters of the Redis primaries with INFO, which any cluster answers, local or remote."""

from typing import Any

from service.bootstrap.stores import create_cluster
from service.loadtest.usage.counters import Counters, UnknownUsageError
from service.settings import Settings

# Memory that belongs to clients and to replication, not to likes.
_OTHER_MEMORY = ("mem_clients_normal", "mem_replication_backlog", "mem_aof_buffer")


def read_redis(settings: Settings) -> Counters:
    """Return the counters of each primary, by the id of its process. Raises LikewiseError."""
    cluster = create_cluster(settings)
    try:
        replies = [node.call([("INFO",)])[0] for node in cluster.primaries()]
    finally:
        cluster.close()
    return {values["run_id"]: _counters(values) for values in map(_parse, replies)}


def _parse(reply: Any) -> dict[str, str]:
    if isinstance(reply, Exception):
        raise UnknownUsageError(f"INFO was refused: {reply}")
    return dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)


def _counters(values: dict[str, str]) -> dict[str, float]:
    replicated = int(values["total_net_repl_output_bytes"])
    return {
        "redis_in_bytes": int(values["total_net_input_bytes"]),
        "redis_out_bytes": int(values["total_net_output_bytes"]) - replicated,
        "redis_replicated_bytes": replicated,
        "redis_memory_bytes": int(values["used_memory"]) - sum(int(values.get(name, 0)) for name in _OTHER_MEMORY),
    }
