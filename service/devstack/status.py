"""How the running stack is doing: likes a second from the pods' metrics, what is pending from Redis."""

import time
import urllib.request
from contextlib import suppress

from prometheus_client.parser import text_string_to_metric_families

from service.bootstrap.stores import Stores, create_stores
from service.core.queue import pending
from service.devstack.dashboard import Status
from service.errors import LikewiseError
from service.settings import Settings


class Probe:
    """Asked once a second; keeps its sockets and the last number of likes between two looks."""

    def __init__(self) -> None:
        self._stores: Stores | None = None
        self._last: tuple[float, float] | None = None

    def __call__(self, settings: Settings) -> Status:
        """The state now; a part that does not answer shows as zero, the table says that it is down."""
        self._stores = self._stores or create_stores(settings)
        rate = self._rate(_answered(f"http://{settings.metrics_host}:{settings.metrics_port}/metrics"))
        with suppress(LikewiseError):
            polled = self._stores.queue.poll("", 0)
            return Status(rate, pending(polled), max((one.oldest_s for one in polled), default=0.0))
        return Status(rate, 0, 0.0)

    def _rate(self, likes: float) -> float:
        now = time.monotonic()
        before, self._last = self._last, (now, likes)
        if before is None or likes < before[1]:  # the first look, or the API was restarted
            return 0.0
        return (likes - before[1]) / max(now - before[0], 0.001)


def _answered(url: str) -> float:
    with suppress(OSError), urllib.request.urlopen(url, timeout=1) as response:  # noqa: S310 - our own address
        families = text_string_to_metric_families(response.read().decode())
        return sum(
            sample.value for family in families for sample in family.samples if sample.name == "likewise_likes_total"
        )
    return 0.0
