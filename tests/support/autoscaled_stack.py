"""An autoscaler that reads what pods tell through real servers, and is scraped; the API server is one in memory."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from autoscaler.signals.redis_signals import SignalHashes
from autoscaler.signals.signals import RedisSource, Signals
from service.devstack.processes import HOST
from service.observability.metrics_server import serve_metrics
from service.redis_settings import RedisSettings
from tests.support.fake_kubernetes import Rounds


class Autoscaler:
    """Rounds on a thread. `leads` may be set at any time."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.leads = True
        self._seeing = RedisSource(SignalHashes(RedisSettings(redis_urls=list(urls))))
        self._cut_off = RedisSource(SignalHashes(RedisSettings(redis_urls=[f"redis://{HOST}:1"])))
        self._source = self._seeing
        self.loop = Rounds().loop
        self.loop.source, self.loop.clock = self, time.monotonic
        self.loop.why_not = lambda: "" if self.leads else "another leads"

    def read(self, now: float) -> Signals:
        """See `autoscaler.signals.signals.Source`."""
        return self._source.read(now)

    def close(self) -> None:
        """See `autoscaler.signals.signals.Source`."""
        self._seeing.close()
        self._cut_off.close()

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """It asks for Redis where nobody is."""
        self._source = self._cut_off
        try:
            yield
        finally:
            self._source = self._seeing


@contextmanager
def scaling(urls: Sequence[str], port: int) -> Iterator[Autoscaler]:
    """One that runs, with its metrics at a port."""
    autoscaler, ended = Autoscaler(urls), threading.Event()
    thread = threading.Thread(target=autoscaler.loop.run, args=(ended,))
    with serve_metrics(HOST, port, autoscaler.loop.metrics.registry, autoscaler.loop.is_live):
        thread.start()
        try:
            yield autoscaler
        finally:
            ended.set()
            thread.join()
            autoscaler.close()
