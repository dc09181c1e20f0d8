"""Store load reports in Redis; see `service.observability.load_report` for their keys and fields."""

import json
from collections.abc import Mapping
from contextlib import suppress
from importlib.resources import files
from typing import Any

import redis
from redis.crc import key_slot

from service.errors import CounterUnavailableError
from service.storage.redis.cluster import Cluster

KEPT_S = 30  # the dead are told of for so long; readers believe what is some seconds old
_SCRIPT = files("service.storage.redis.functions").joinpath("load_report.lua").read_text("utf-8")


class RedisLoadReportStore:
    """One of the hashes; see `service.observability.load_reporter.LoadReportStore`.

    The cluster must be its own: likes must not wait for it.
    """

    def __init__(self, cluster: Cluster, key: str) -> None:
        self._cluster = cluster
        self._key = key

    def publish(self, who: str, said: Mapping[str, Any]) -> None:
        """Replace what `who` has told. Raises CounterUnavailableError."""
        self._call("EVAL", _SCRIPT, 1, self._key, who, json.dumps(said, separators=(",", ":")), KEPT_S)

    def remove(self, who: str) -> None:
        """Drop what `who` has told. Raises CounterUnavailableError."""
        self._call("HDEL", self._key, who)

    def close(self) -> None:
        """Close the socket."""
        self._cluster.close()

    def _call(self, *command: Any) -> None:
        try:
            reply = self._cluster.of_slot(key_slot(self._key.encode())).call([command])[0]
        except CounterUnavailableError:
            self._refresh()
            raise
        if isinstance(reply, redis.ResponseError):
            self._refresh()
            raise CounterUnavailableError(f"Redis: {reply}")

    def _refresh(self) -> None:
        with suppress(CounterUnavailableError):  # it is tried again the next time
            self._cluster.refresh()
