"""Measure a running stack: likes per second from its metrics, pending likes from Redis."""

import time
import urllib.request
from contextlib import suppress

from prometheus_client.parser import text_string_to_metric_families

from service.bootstrap.stores import Stores, create_stores
from service.core.queue import pending
from service.devstack.dashboard import Status
from service.devstack.ports import reachable_host
from service.errors import LikewiseError
from service.settings import Settings


class StatusProbe:
    """Reads the status of a stack. It is called about once a second and keeps its connections between calls."""

    def __init__(self) -> None:
        self._stores: Stores | None = None
        self._last: tuple[float, float] | None = None

    def __call__(self, settings: Settings) -> Status:
        """Return the status now. A part that does not answer counts as zero: the dashboard shows that it is down."""
        self._stores = self._stores or create_stores(settings)
        host = reachable_host(settings.metrics_host)
        rate = self._rate(_acknowledged_likes(f"http://{host}:{settings.metrics_port}/metrics"))
        with suppress(LikewiseError):
            shards = self._stores.queue.poll("", 0)
            return Status(rate, pending(shards), max((shard.oldest_s for shard in shards), default=0.0))
        return Status(rate, 0, 0.0)

    def _rate(self, likes: float) -> float:
        now = time.monotonic()
        before, self._last = self._last, (now, likes)
        # The number falls when the API was restarted.
        if before is None or likes < before[1]:
            return 0.0
        return (likes - before[1]) / max(now - before[0], 0.001)


def _acknowledged_likes(url: str) -> float:
    with suppress(OSError), urllib.request.urlopen(url, timeout=1) as response:  # noqa: S310 - our own address
        families = text_string_to_metric_families(response.read().decode())
        return sum(
            sample.value for family in families for sample in family.samples if sample.name == "likewise_likes_total"
        )
    return 0.0
