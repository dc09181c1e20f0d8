"""Create a span for each traced request, in the outermost WSGI layer. Without tracing, it is not installed."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanContext, SpanKind, StatusCode

from service.auth.client_address import ClientResolver
from service.observability.logging import TRACE_ID, request_id
from service.observability.tracing import Tracing, parent_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_POST = re.compile("(/v1/posts/).+(/[a-z]+)")
# Key of the environ: the decision whether to trace the request.
_IS_TRACED = "likewise.is_traced"


class TracedRequests:
    """WSGI middleware. A `traceparent` is used if it comes from a trusted proxy."""

    def __init__(self, app: "WSGIApplication", tracing: Tracing, clients: ClientResolver) -> None:
        self._app = app
        self._tracing = tracing
        self._clients = clients

    def decide(self, environ: "WSGIEnvironment") -> bool:
        """Return whether to trace a request. The decision is kept in the environ: it may be random."""
        decision: bool | None = environ.get(_IS_TRACED)
        if decision is None:
            decision = environ[_IS_TRACED] = self._tracing.wants(self._parent(environ))
        return decision

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Call the application, within a span if the request is traced."""
        if not self.decide(environ):
            return self._app(environ, start_response)
        parent = self._parent(environ)
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

    def _parent(self, environ: "WSGIEnvironment") -> SpanContext | None:
        sent = environ.get("HTTP_TRACEPARENT", "")
        return parent_of(sent) if sent and self._clients.is_trusted_proxy(environ.get("REMOTE_ADDR", "")) else None
