"""Logs: one JSON object per line, with the id of its request. No line has a token or a client's address."""

import logging
import logging.config
import re
import secrets
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any, TextIO

import structlog

from service.observability.log_dedup import LogDeduplicator

# Keys of the WSGI environ. The request's id is there once it was needed, the trace's if the request is traced.
REQUEST_ID = "likewise.request_id"
TRACE_ID = "likewise.trace_id"
_REQUEST_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
# gunicorn continues this message with the client's address and a part of its request.
_INVALID_REQUEST = "Invalid request from ip="

Environ = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
_request: ContextVar[tuple[Environ, Callable[[str], bool]] | None] = ContextVar("request", default=None)


def enter_request(environ: Environ, trusts: Callable[[str], bool]) -> None:
    """Attribute the next lines of this thread or greenlet to a request. Its id is read when it is needed.

    `trusts` returns whether the peer at an address may set `X-Request-ID`.
    """
    _request.set((environ, trusts))


def leave_request() -> None:
    """Attribute the next lines to no request."""
    _request.set(None)


def request_id(environ: Environ, trusts: Callable[[str], bool]) -> str:
    """Return the id of a request: the one of a trusted proxy if it has 8 to 64 plain characters, else a random one."""
    found: str | None = environ.get(REQUEST_ID)
    if found is None:
        sent = environ.get("HTTP_X_REQUEST_ID", "")
        is_accepted = _REQUEST_ID_PATTERN.fullmatch(sent) and trusts(environ.get("REMOTE_ADDR", ""))
        found = environ[REQUEST_ID] = sent if is_accepted else secrets.token_hex(16)
    return found


def configure_logs(stream: TextIO | None = None) -> None:
    """Write JSON lines to `stream` (default stderr), also for libraries that use the standard library's logging."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            *_SHARED_PROCESSORS,
            LogDeduplicator(),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
    )
    logging.config.dictConfig(stdlib_config(stream))


def stdlib_config(stream: TextIO | None = None) -> dict[str, Any]:
    """Return the logging configuration of libraries: gunicorn, the connection pool, the trace exporter."""
    gunicorn = {"level": "INFO", "handlers": ["json"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": _formatter}},
        "handlers": {"json": {"class": "logging.StreamHandler", "formatter": "json", "stream": stream or sys.stderr}},
        "root": {"level": "WARNING", "handlers": ["json"]},
        "loggers": {
            "gunicorn.error": gunicorn,
            "gunicorn.access": gunicorn,
            # Our own lines say why a database is unavailable. The pool would repeat the reason each second.
            "psycopg.pool": {"level": "ERROR"},
        },
    }


def _formatter() -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
        foreign_pre_chain=[structlog.stdlib.add_logger_name, _remove_client, *_SHARED_PROCESSORS],
    )


def _add_request(_: object, __: str, event: Event) -> Event:
    entered = _request.get()
    if entered:
        event["request_id"] = request_id(*entered)
        if trace_id := entered[0].get(TRACE_ID):
            event["trace_id"] = trace_id
    return event


def _remove_client(_: object, __: str, event: Event) -> Event:
    if str(event["event"]).startswith(_INVALID_REQUEST):
        event["event"] = "Invalid request"
    return event


_SHARED_PROCESSORS: tuple[Callable[[Any, str, Event], Event | Mapping[str, Any]], ...] = (
    _add_request,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    # Without the local variables of each frame, which may hold secrets.
    structlog.processors.format_exc_info,
)
