"""The interface between a pod's application and the server that runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.api.loop.api import LoopApi
    from service.observability.traffic_counter import TrafficCounter

# The key of the application's extension.
EXTENSION = "likewise"


@dataclass(frozen=True, slots=True)
class Runtime:
    """The hooks of an application for its server.

    Call `start` in the process that serves requests, because threads do not survive a fork. Call `stop` on SIGTERM, so
    that readiness probes fail; requests are still answered. Call `close` at the end.
    `loop_api` answers likes and counts in the event loop. The server counts requests in `traffic`.
    """

    start: Callable[[], None]
    stop: Callable[[], None]
    close: Callable[[], None]
    loop_api: "LoopApi"
    traffic: "TrafficCounter"


def runtime_of(app: object) -> Runtime | None:
    """Return the runtime of a WSGI application, or None if it has none."""
    runtime: Runtime | None = getattr(app, "extensions", {}).get(EXTENSION)
    return runtime
