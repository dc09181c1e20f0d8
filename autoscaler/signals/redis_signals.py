"""The two Redis hashes in which pods and flushers tell of themselves, read together: one of them is enough.

The writers define the format (`service/storage/redis/load_report_store.py`): a field `role:pod:process` with the time
of the server in µs, a space, and JSON.
"""

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

_AWAY = (redis.RedisError, redis.exceptions.RedisClusterException, OSError)
_READ = "return {redis.call('TIME'), redis.call('HGETALL', KEYS[1])}"


@dataclass(frozen=True, slots=True)
class Told:
    """What a process told `age_s` ago, by the clock of the server that holds it; below 0 where that clock went back."""

    role: str
    pod: str
    process: str
    age_s: float
    said: dict[str, Any]


class SignalHashes:
    """Reads both hashes at once, each by sockets of its own: a server that hangs delays the other by nothing."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._clients: dict[str, Any] = {}
        self._pool = ThreadPoolExecutor(len(KEYS), thread_name_prefix="signals")

    def read(self) -> list[Told]:
        """The newest of each process. Raises SignalsUnavailableError where neither hash can be read."""
        newest: dict[tuple[str, str, str], Told] = {}
        answers = list(self._pool.map(self._attempt, KEYS))
        for answer in answers:
            for told in answer if isinstance(answer, list) else []:
                who = (told.role, told.pod, told.process)
                newest[who] = min(newest.get(who, told), told, key=lambda one: one.age_s)
        failures = [answer for answer in answers if isinstance(answer, str)]
        if len(failures) == len(KEYS):
            raise SignalsUnavailableError("signals can't be read: " + "; ".join(dict.fromkeys(failures)))
        return list(newest.values())

    def close(self) -> None:
        """Close every socket."""
        self._pool.shutdown()
        for client in self._clients.values():
            client.close()

    def _attempt(self, key: str) -> list[Told] | str:
        try:
            if key not in self._clients:
                self._clients[key] = _connect(self._settings)
            time, fields = self._clients[key].eval(_READ, 1, key)
        except _AWAY as error:
            if client := self._clients.pop(key, None):
                client.close()
            return str(error) or repr(error)
        now_us = int(time[0]) * 1_000_000 + int(time[1])
        return [told for who, text in _pairs(fields) if (told := _told(who, text, now_us))]


def _pairs(flat: Sequence[bytes]) -> list[tuple[str, str]]:
    text = [part.decode("utf-8", "replace") for part in flat]
    return list(zip(text[::2], text[1::2], strict=True))


def _told(who: str, text: str, now_us: int) -> Told | None:
    """None for what can't be read: one release's slip must not blind the autoscaler to the rest."""
    role, *names = who.split(":")
    at_us, _, said = text.partition(" ")
    try:
        pod, process = names
        return Told(role, pod, process, (now_us - int(at_us)) / 1e6, dict(json.loads(said)))
    except (ValueError, TypeError):
        return None


def _connect(settings: RedisSettings) -> Any:
    """A client of the cluster, or of a single server. Raises RedisError, OSError, ConfigurationError."""
    options = settings.client_options()
    reasons = []
    for url in settings.redis_urls:
        try:
            return _cluster(options, url)
        except _AWAY as error:
            reasons.append(f"{error}")
        except ValueError as error:
            raise ConfigurationError(f"LIKEWISE_REDIS_URLS: {error}") from error
    raise redis.ConnectionError("; ".join(reasons))


def _cluster(options: dict[str, Any], url: str) -> Any:
    single = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)
    try:
        if not single.info("cluster").get("cluster_enabled"):
            return single
    except _AWAY:
        single.close()
        raise
    single.close()
    return RedisCluster.from_url(url, retry=Retry(NoBackoff(), 1), require_full_coverage=False, **options)
