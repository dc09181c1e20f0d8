"""Create a span for each traced request, in the outermost WSGI layer. Without tracing, it is not installed."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind, StatusCode

from service.auth.client_address import ClientResolver
from service.observability.logging import TRACE_ID, request_id
from service.observability.tracing import Tracing, parent_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_POST = re.compile("(/v1/posts/).+(/[a-z]+)")


class TracedRequests:
    """WSGI middleware. A `traceparent` is used if it comes from a trusted proxy."""

    def __init__(self, app: "WSGIApplication", tracing: Tracing, clients: ClientResolver) -> None:
        self._app = app
        self._tracing = tracing
        self._clients = clients

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Call the application, within a span if the request is traced."""
        sent = environ.get("HTTP_TRACEPARENT", "")
        parent = parent_of(sent) if sent and self._clients.is_trusted_proxy(environ.get("REMOTE_ADDR", "")) else None
        if not self._tracing.wants(parent):
            return self._app(environ, start_response)
        method, route = environ["REQUEST_METHOD"], _POST.sub(r"\1{post}\2", environ.get("PATH_INFO", ""))
        attributes = {
            "http.request.method": method,
            "url.path": environ.get("PATH_INFO", ""),
            "likewise.request_id": request_id(environ, self._clients.is_trusted_proxy),
        }
        with self._tracing.span(f"{method} {route}", SpanKind.SERVER, attributes, parent) as span:
            environ[TRACE_ID] = f"{span.get_span_context().trace_id:032x}"

            def start(status: str, *rest: Any) -> Any:
                span.set_attribute("http.response.status_code", int(status[:3]))
                if status.startswith("5"):
                    span.set_status(StatusCode.ERROR)
                return start_response(status, *rest)

            return self._app(environ, start)
