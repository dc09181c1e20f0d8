"""Run an autoscaler that reads load reports from real servers and is scraped. Its Kubernetes API is a fake."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from autoscaler.signals.report_reader import ReportReader
from autoscaler.signals.signals import RedisSource, Signals
from service.devstack.processes import HOST
from service.observability.metrics_server import serve_metrics
from service.redis_settings import RedisSettings
from tests.support.autoscaler.fake_kubernetes import Rounds


class Autoscaler:
    """A control loop on a thread. `leads` may be set at any time."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.leads = True
        self._connected = RedisSource(ReportReader(RedisSettings(redis_urls=list(urls))))
        self._disconnected = RedisSource(ReportReader(RedisSettings(redis_urls=[f"redis://{HOST}:1"])))
        self._source = self._connected
        self.loop = Rounds().loop
        self.loop.source, self.loop.clock = self, time.monotonic
        self.loop.suppressed_by = lambda: "" if self.leads else "another leads"

    def read(self, now: float) -> Signals:
        """See `autoscaler.signals.signals.SignalSource`."""
        return self._source.read(now)

    def close(self) -> None:
        """See `autoscaler.signals.signals.SignalSource`."""
        self._connected.close()
        self._disconnected.close()

    @contextmanager
    def disconnected_from_redis(self) -> Iterator[None]:
        """Cut the autoscaler off from Redis until the end of the block."""
        self._source = self._disconnected
        try:
            yield
        finally:
            self._source = self._connected


@contextmanager
def scaling(urls: Sequence[str], port: int) -> Iterator[Autoscaler]:
    """Run an autoscaler that serves its metrics at a port."""
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
