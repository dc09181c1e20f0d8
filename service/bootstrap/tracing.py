"""Tracing of a process' parts if LIKEWISE_TRACE_ENDPOINT is set. If not, nothing is wrapped and nothing imported."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flask import Flask

from service.auth.client_address import ClientResolver
from service.core.likes import LikeCounter
from service.core.queue import BatchStore
from service.errors import ConfigurationError
from service.settings import Settings

if TYPE_CHECKING:
    from service.observability.tracing import Tracing


class PodTracing:
    """The tracing of an API process. Raises ConfigurationError."""

    def __init__(self, settings: Settings) -> None:
        self._tracing = _tracing(settings, "likewise-api")

    def trace_counter(self, counter: LikeCounter) -> LikeCounter:
        """Return the counter with spans around its calls."""
        if self._tracing is None:
            return counter
        from service.instrumentation.traced import TracedCounter

        return TracedCounter(counter, self._tracing)

    def trace_requests(self, app: Flask, clients: ClientResolver) -> Callable[[dict[str, Any]], bool] | None:
        """Create a span for each traced request. Call this last: the span covers only the layers added before.

        Return a function that decides whether to trace a request, from its environ. None if no request is traced.
        """
        if self._tracing is None:
            return None
        from service.api.http.tracing import TracedRequests

        app.wsgi_app = traced = TracedRequests(app.wsgi_app, self._tracing, clients)  # type: ignore[method-assign]
        return traced.decide

    def close(self) -> None:
        """Send the remaining spans."""
        if self._tracing is not None:
            self._tracing.close()


@contextmanager
def flusher_tracing(settings: Settings) -> Iterator[Callable[[BatchStore], BatchStore]]:
    """Yield a function that adds spans to a flusher's store, until the end of the block. Raises ConfigurationError."""
    tracing = _tracing(settings, "likewise-flusher")
    if tracing is None:
        yield lambda store: store
        return
    from service.instrumentation.traced import TracedStore

    try:
        yield lambda store: TracedStore(store, tracing)
    finally:
        tracing.close()


def _tracing(settings: Settings, service: str) -> "Tracing | None":
    if not settings.trace_endpoint:
        return None
    try:
        from service.observability.tracing import Tracing
    except ImportError as error:
        raise ConfigurationError(
            "LIKEWISE_TRACE_ENDPOINT needs OpenTelemetry; `pip install 'likewise[tracing]'` installs it"
        ) from error
    return Tracing(service, settings.trace_endpoint, settings.trace_ratio)
