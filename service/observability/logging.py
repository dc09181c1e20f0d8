"""Logs: one JSON object a line, with the id of its request. No token and no address of a client is in one."""

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

REQUEST_ID = "likewise.request_id"  # in the environ, once it was asked for
TRACE_ID = "likewise.trace_id"  # in the environ of a request that is traced
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_REFUSED = "Invalid request from ip="  # gunicorn goes on with the client's address and a part of what it sent

Environ = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
_request: ContextVar[tuple[Environ, Callable[[str], bool]] | None] = ContextVar("request", default=None)


def enter_request(environ: Environ, trusts: Callable[[str], bool]) -> None:
    """What is logged from here on, by this greenlet or thread, is about this request; its id is read when it is needed.

    `trusts` says of a peer's address whether its `X-Request-ID` counts.
    """
    _request.set((environ, trusts))


def request_id(environ: Environ, trusts: Callable[[str], bool]) -> str:
    """What a trusted proxy calls the request, where that is 8 to 64 plain characters; else a name of our own."""
    found: str | None = environ.get(REQUEST_ID)
    if found is None:
        sent = environ.get("HTTP_X_REQUEST_ID", "")
        known = _SANE.fullmatch(sent) and trusts(environ.get("REMOTE_ADDR", ""))
        found = environ[REQUEST_ID] = sent if known else secrets.token_hex(16)
    return found


def configure_logs(stream: TextIO | None = None) -> None:
    """JSON lines on stderr, or on another stream, also of libraries that use the standard library's logging."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            *_SHARED,
            LogDeduplicator(),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
    )
    logging.config.dictConfig(stdlib_config(stream))


def stdlib_config(stream: TextIO | None = None) -> dict[str, Any]:
    """The same lines from the standard library's logging: gunicorn's, the pool's, the exporter's of traces."""
    plain = {"level": "INFO", "handlers": ["json"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": _formatter}},
        "handlers": {"json": {"class": "logging.StreamHandler", "formatter": "json", "stream": stream or sys.stderr}},
        "root": {"level": "WARNING", "handlers": ["json"]},
        # Our own lines say why a database is away; the pool would say so each second.
        "loggers": {"gunicorn.error": plain, "gunicorn.access": plain, "psycopg.pool": {"level": "ERROR"}},
    }


def _formatter() -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
        foreign_pre_chain=[structlog.stdlib.add_logger_name, _forget_client, *_SHARED],
    )


def _add_request(_: object, __: str, event: Event) -> Event:
    entered = _request.get()
    if entered:
        event["request_id"] = request_id(*entered)
        if trace_id := entered[0].get(TRACE_ID):
            event["trace_id"] = trace_id
    return event


def _forget_client(_: object, __: str, event: Event) -> Event:
    if str(event["event"]).startswith(_REFUSED):
        event["event"] = "Invalid request"
    return event


_SHARED: tuple[Callable[[Any, str, Event], Event | Mapping[str, Any]], ...] = (
    _add_request,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,  # without the locals of each frame: they may hold secrets
)
