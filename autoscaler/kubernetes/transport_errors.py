"""Translate the errors of the Kubernetes client and the refusals of the API server into ours."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager

import urllib3
from kubernetes.client.exceptions import OpenApiException
from kubernetes.config import ConfigException

from autoscaler.errors import (
    ClusterError,
    ClusterUnavailableError,
    ConflictError,
    ForbiddenError,
    MissingError,
    RefusedError,
    ThrottledError,
)

# Pause after a 429 without Retry-After, and the longest pause that is accepted, because a spike cannot wait longer.
_DEFAULT_RETRY_AFTER_S = 1.0
_MAX_RETRY_AFTER_S = 30.0
_KINDS = {401: ForbiddenError, 403: ForbiddenError, 404: MissingError, 409: ConflictError}


@contextmanager
def errors_translated(what: str) -> Iterator[None]:
    """Raise ClusterUnavailableError, whose message begins with `what`, if there is no answer."""
    try:
        yield
    except (urllib3.exceptions.HTTPError, OpenApiException, ConfigException, OSError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ClusterUnavailableError(f"{what}: the API server does not answer ({reason})") from error


def error_of(what: str, answer: urllib3.HTTPResponse, text: bytes) -> ClusterError:
    """Return the error of an answer that is a refusal. `text` is its body."""
    if answer.status == 429:
        return ThrottledError(f"{what}: the API server is busy", _retry_after_s(answer))
    message = f"{what}: {_message_of(answer, text)}"
    if answer.status in _KINDS:
        return _KINDS[answer.status](message)
    return (ClusterUnavailableError if answer.status >= 500 else RefusedError)(message)


def _message_of(answer: urllib3.HTTPResponse, text: bytes) -> str:
    """Return the message of a Status object. A proxy answers with something else."""
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.status} {answer.reason}"


def _retry_after_s(answer: urllib3.HTTPResponse) -> float:
    try:
        seconds = float(answer.headers["Retry-After"])
    except (KeyError, ValueError):
        return _DEFAULT_RETRY_AFTER_S
    return min(max(0.0, seconds), _MAX_RETRY_AFTER_S) if math.isfinite(seconds) else _DEFAULT_RETRY_AFTER_S
