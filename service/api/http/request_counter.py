"""Count requests in the outermost layer, so that requests that wait or fail inside are included."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, Response

from service.observability.traffic_counter import TrafficCounter

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def count_traffic(app: Flask, traffic: TrafficCounter) -> None:
    """Count the app's requests from now on."""
    app.wsgi_app = _CountedRequests(app.wsgi_app, traffic)  # type: ignore[method-assign]

    def count_failed(response: Response) -> Response:
        if response.status_code >= 500:
            traffic.failed += 1
        return response

    app.after_request(count_failed)


class _CountedRequests:
    def __init__(self, app: "WSGIApplication", traffic: TrafficCounter) -> None:
        self._app = app
        self._traffic = traffic

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        self._traffic.arrived += 1
        try:
            return self._app(environ, start_response)
        finally:
            self._traffic.answered += 1
