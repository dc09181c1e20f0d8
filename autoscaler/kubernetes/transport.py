"""The way to the Kubernetes API. Its errors end here, each as one sentence."""

import math
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
from lightkube import ApiError, Client, KubeConfig, SingleConfig
from lightkube.config.client_adapter import verify_cluster
from lightkube.config.models import User
from lightkube.core.exceptions import ConfigError

from autoscaler.errors import (
    ClusterUnavailableError,
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    MissingError,
    RefusedError,
    ThrottledError,
)
from autoscaler.kubernetes.objects import FIELD_MANAGER

_STEPS = 3  # of a request that may wait in turn: connecting, sending, the first of the answer
_THROTTLED_S = 1.0  # where the API server says "later" and not when
_THROTTLED_AT_MOST_S = 30.0  # whatever it says: a spike does not wait for longer


def connect(namespace: str, timeout_s: float) -> Client:
    """A client of the cluster this runs in or, outside, of KUBECONFIG's. Raises ConfigurationError.

    An answer has come whole after `timeout_s`, or is given up; each step on the way has a third of it.
    """
    try:
        config = _config()
        transport = _Timely(timeout_s, _trusted(config))
        timeout = httpx2.Timeout(timeout_s / _STEPS)
        return Client(config, namespace or None, timeout, field_manager=FIELD_MANAGER, transport=transport)
    except (ConfigError, OSError, ValueError) as error:
        raise ConfigurationError(f"no cluster: run in a pod, or set KUBECONFIG ({error})") from error


@contextmanager
def translated(what: str) -> Iterator[None]:
    """The API's errors as ours, naming `what` was wanted."""
    try:
        yield
    except ApiError as error:
        raise _error_of(what, error.status.code or 0, error.status.message or str(error), error.response) from error
    except httpx2.HTTPStatusError as error:
        raise _error_of(what, error.response.status_code, str(error), error.response) from error
    except (httpx2.HTTPError, OSError) as error:
        raise ClusterUnavailableError(
            f"{what}: the API server does not answer ({error or type(error).__name__})"
        ) from error


class _Timely(httpx2.HTTPTransport):
    """Gives up an answer that comes in drops: httpx limits the wait for each of them, and not for all."""

    def __init__(self, timeout_s: float, verify: ssl.SSLContext) -> None:
        super().__init__(verify=verify)
        self._timeout_s = timeout_s

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        until = time.monotonic() + self._timeout_s
        response = super().handle_request(request)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _Until(response.stream, until)
        return response


class _Until(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, until: float) -> None:
        self._stream, self._until = stream, until

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            if time.monotonic() > self._until:
                raise httpx2.ReadTimeout("its answer takes too long")
            yield part

    def close(self) -> None:
        self._stream.close()


def _config() -> SingleConfig:
    config = KubeConfig.from_env().get()
    if config is None:
        raise ConfigError("it names no current context")
    return config


def _trusted(config: SingleConfig) -> ssl.SSLContext:
    """The cluster's own authority, as kubectl takes it: Python 3.13 refuses those without extensions, as EKS has."""
    context = verify_cluster(config.cluster, config.user or User(), config.abs_file)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _error_of(what: str, code: int, message: str, response: Any) -> Exception:
    if code == 429:
        return ThrottledError(f"{what}: the API server is busy", _retry_after_s(response))
    kinds = {401: ForbiddenError, 403: ForbiddenError, 404: MissingError, 409: ConflictError}
    if code in kinds:
        return kinds[code](f"{what}: {message}")
    return (ClusterUnavailableError if code >= 500 or code == 0 else RefusedError)(f"{what}: {message}")


def _retry_after_s(response: Any) -> float:
    try:
        seconds = float(response.headers["Retry-After"])
    except (AttributeError, KeyError, ValueError):
        return _THROTTLED_S
    return min(max(0.0, seconds), _THROTTLED_AT_MOST_S) if math.isfinite(seconds) else _THROTTLED_S
