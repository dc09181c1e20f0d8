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
    return dict(map(counters_of_info, replies))


def counters_of_info(reply: Any) -> tuple[str, dict[str, float]]:
    """Return the id of the process and its counters, from a reply to INFO. Raises UnknownUsageError."""
    if isinstance(reply, Exception):
        raise UnknownUsageError(f"INFO was refused: {reply}")
    values = dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)
    try:
        return values["run_id"], _counters(values)
    except KeyError as error:
        raise UnknownUsageError(f"INFO does not tell {error}") from error


def _counters(values: dict[str, str]) -> dict[str, float]:
    replicated = int(values["total_net_repl_output_bytes"])
    return {
        "redis_in_bytes": int(values["total_net_input_bytes"]),
        "redis_out_bytes": int(values["total_net_output_bytes"]) - replicated,
        "redis_replicated_bytes": replicated,
        "redis_memory_bytes": int(values["used_memory"]) - sum(int(values.get(name, 0)) for name in _OTHER_MEMORY),
    }
