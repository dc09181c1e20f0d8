"""Read the load reports of pods and flushers from the two Redis hashes. One of them is enough."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

from autoscaler.errors import ConfigurationError, SignalsUnavailableError
from service.observability.load_report import KEYS
from service.redis_settings import RedisSettings

_UNAVAILABLE = (redis.RedisError, redis.exceptions.RedisClusterException, OSError)
_READ = "return {redis.call('TIME'), redis.call('HGETALL', KEYS[1])}"


@dataclass(frozen=True, slots=True)
class Report:
    """The last report of a process. Its JSON object is `load`.

    `age_s` is by the clock of the server that stores the report. It is below 0 if that clock went back.
    """

    role: str
    pod: str
    process: str
    age_s: float
    load: dict[str, Any]


class ReportReader:
    """Reads both hashes at the same time by separate sockets, so that a server that hangs does not delay the other."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._clients: dict[str, Any] = {}
        self._pool = ThreadPoolExecutor(len(KEYS), thread_name_prefix="signals")

    def read(self) -> list[Report]:
        """Return the newest report of each process. Raises SignalsUnavailableError if neither hash can be read."""
        newest: dict[tuple[str, str, str], Report] = {}
        results = list(self._pool.map(self._attempt, KEYS))
        for result in results:
            for report in result if isinstance(result, list) else []:
                process = (report.role, report.pod, report.process)
                newest[process] = min(newest.get(process, report), report, key=lambda one: one.age_s)
        failures = [result for result in results if isinstance(result, str)]
        if len(failures) == len(KEYS):
            raise SignalsUnavailableError("load reports cannot be read: " + "; ".join(dict.fromkeys(failures)))
        return list(newest.values())

    def close(self) -> None:
        """Close every socket."""
        self._pool.shutdown()
        for client in self._clients.values():
            client.close()

    def _attempt(self, key: str) -> list[Report] | str:
        """Return the reports of one hash, or why it cannot be read."""
        try:
            if key not in self._clients:
                self._clients[key] = _connect(self._settings)
            time, fields = self._clients[key].eval(_READ, 1, key)
        except _UNAVAILABLE as error:
            if client := self._clients.pop(key, None):
                client.close()
            return str(error) or repr(error)
        now_us = int(time[0]) * 1_000_000 + int(time[1])
        return [report for name, text in _pairs(fields) if (report := _parse(name, text, now_us))]


def _pairs(flat: Sequence[bytes]) -> list[tuple[str, str]]:
    text = [part.decode("utf-8", "replace") for part in flat]
    return list(zip(text[::2], text[1::2], strict=True))


def _parse(name: str, text: str, now_us: int) -> Report | None:
    """Parse a field. Return None for a broken one, because it must not hide the others."""
    role, *names = name.split(":")
    at_us, _, load = text.partition(" ")
    try:
        pod, process = names
        return Report(role, pod, process, (now_us - int(at_us)) / 1e6, dict(json.loads(load)))
    except (ValueError, TypeError):
        return None


def _connect(settings: RedisSettings) -> Any:
    """Return a client of the cluster, or of a single server. Raises RedisError, OSError and ConfigurationError."""
    options = settings.client_options()
    reasons = []
    for url in settings.redis_urls:
        try:
            return _connect_to(url, options)
        except _UNAVAILABLE as error:
            reasons.append(str(error))
        except ValueError as error:
            raise ConfigurationError(f"LIKEWISE_REDIS_URLS: {error}") from error
    raise redis.ConnectionError("; ".join(reasons))


def _connect_to(url: str, options: dict[str, Any]) -> Any:
    single = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)
    try:
        if not single.info("cluster").get("cluster_enabled"):
            return single
    except _UNAVAILABLE:
        single.close()
        raise
    single.close()
    return RedisCluster.from_url(url, retry=Retry(NoBackoff(), 1), require_full_coverage=False, **options)
