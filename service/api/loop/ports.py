"""What the event loop needs from its surroundings. The server implements Exchange, and the storage the counter."""

from collections.abc import Callable
from typing import Any, Protocol

from service.api.http.rendering import Headers
from service.core.likes import LikeRequest, LikeState


class Exchange(Protocol):
    """A request that has been read, and the connection that its answer goes to.

    target: the path and query as sent. environ: the headers, REQUEST_METHOD, REMOTE_ADDR and wsgi.url_scheme under
    their WSGI names. began: `time.perf_counter()` when the request was read.
    """

    method: str
    target: str
    environ: dict[str, Any]
    began: float

    def respond(self, status: str, headers: Headers, body: bytes) -> None:
        """Send the response."""

    def hand_over(self, error: Exception, **known: object) -> None:
        """Let Flask answer with an error, in a greenlet. `known` becomes part of the WSGI environ."""

    def wsgi_environ(self) -> dict[str, Any]:
        """Return the whole WSGI environ."""

    def run(self, function: Callable[[], None]) -> None:
        """Run a function that may wait in a greenlet. If it raises, Flask answers with the error."""


class NonBlockingLikeCounter(Protocol):
    """A `service.core.likes.LikeCounter` for callers that may not wait."""

    def begin(self, request: LikeRequest, done: Callable[[LikeState | Exception], None]) -> None:
        """Apply a like or an unlike. Later, call `done` with the state, or with the error; `done` raises nothing."""

    def tick(self) -> None:
        """Give up what takes too long, and publish metrics. The loop calls it several times a second."""

    def close(self) -> None:
        """Close every socket."""
