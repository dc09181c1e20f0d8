"""The store of load reports in Redis; see `service.observability.load_report` for their keys and fields."""

import json
from collections.abc import Mapping
from contextlib import suppress
from importlib.resources import files
from typing import Any

import redis
from redis.crc import key_slot

from service.errors import CounterUnavailableError
from service.storage.redis.cluster import Cluster

# Reports of dead processes disappear after this time. Readers ignore reports that are a few seconds old.
KEPT_S = 30
_SCRIPT = files("service.storage.redis.functions").joinpath("load_report.lua").read_text("utf-8")


class RedisLoadReportStore:
    """One of the hashes; see `service.observability.load_reporter.LoadReportStore`.

    `cluster` must not be shared with the counter, so that reports do not delay likes.
    """

    def __init__(self, cluster: Cluster, key: str) -> None:
        self._cluster = cluster
        self._key = key

    def publish(self, process: str, report: Mapping[str, Any]) -> None:
        """Replace the report of a process. Raises CounterUnavailableError."""
        self._call("EVAL", _SCRIPT, 1, self._key, process, json.dumps(report, separators=(",", ":")), KEPT_S)

    def remove(self, process: str) -> None:
        """Remove the report of a process. Raises CounterUnavailableError."""
        self._call("HDEL", self._key, process)

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
        # The next call tries again.
        with suppress(CounterUnavailableError):
            self._cluster.refresh()
