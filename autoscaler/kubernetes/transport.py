"""Send requests to the Kubernetes API through the official client.

Requests and answers are plain JSON objects. The client's generated API classes would add some 60 MB of models.
"""

import json
import os
import socket
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import urllib3
from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.config import ConfigException, list_kube_config_contexts, load_incluster_config, load_kube_config
from urllib3.util.ssl_ import create_urllib3_context

from autoscaler.errors import ClusterUnavailableError, ConfigurationError
from autoscaler.kubernetes.objects import FIELD_MANAGER
from autoscaler.kubernetes.transport_errors import error_of, errors_translated

# Steps of a request that can each wait for their whole timeout: TCP, TLS, and the first byte of the answer.
_STEPS = 3
_CHUNK_BYTES = 65_536
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_TOO_LONG = "its answer takes too long"
_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"


class Connection:
    """A connection to the API server for one thread. Each request has `timeout_s` seconds and is never retried."""

    def __init__(self, client: ApiClient, namespace: str, timeout_s: float) -> None:
        self._client = client
        self.namespace = namespace
        self._timeout_s = timeout_s

    def get(self, what: str, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Read an object. `what` begins the message of an error. Raises ClusterError's kinds."""
        return self._request(what, "GET", path, query or {})

    def merge(self, what: str, path: str, body: Mapping[str, Any]) -> Any:
        """Patch an object by a JSON merge patch. See `get`."""
        return self._request(what, "PATCH", path, {"fieldManager": FIELD_MANAGER}, body, _MERGE_PATCH)

    def replace(self, what: str, path: str, body: Mapping[str, Any]) -> Any:
        """Replace an object. See `get`."""
        return self._request(what, "PUT", path, {"fieldManager": FIELD_MANAGER}, body)

    def create(self, what: str, path: str, body: Mapping[str, Any]) -> Any:
        """Create an object. See `get`."""
        return self._request(what, "POST", path, {"fieldManager": FIELD_MANAGER}, body)

    def close(self) -> None:
        """Close every socket."""
        self._client.close()

    def _request(
        self,
        what: str,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        content_type: str = _JSON,
    ) -> Any:
        step_s = self._timeout_s / _STEPS
        with errors_translated(what):
            until = time.monotonic() + self._timeout_s
            headers = {"Accept": _JSON, "Content-Type": content_type}
            request = self._client.param_serialize(
                method, path, query_params=list(query.items()), header_params=headers, body=body,
                auth_settings=["BearerToken"],
            )  # fmt: skip
            answer = self._client.call_api(*request, _request_timeout=(step_s, step_s)).response
            text = _read_until(answer, until, step_s)
        if not 200 <= answer.status < 300:
            raise error_of(what, answer, text)
        try:
            return json.loads(text)
        except ValueError as error:
            raise ClusterUnavailableError(f"{what}: the API server's answer is not JSON ({error})") from error


def connect(namespace: str, timeout_s: float) -> Connection:
    """Connect to the cluster that this pod runs in or, outside of a cluster, to the one in KUBECONFIG.

    An empty `namespace` means the pod's own, or the one in KUBECONFIG. Raises ConfigurationError.
    """
    try:
        configuration, own_namespace = _load_configuration()
        # A retry would take longer than the request's timeout, on which the lease relies.
        configuration.retries = False
        configuration.connection_pool_maxsize = 1
        client = ApiClient(configuration)
        client.user_agent = FIELD_MANAGER
        client.rest_client.pool_manager.connection_pool_kw["ssl_context"] = _create_ssl_context(configuration)
    except (ConfigException, OSError, ValueError, TypeError) as error:
        raise ConfigurationError(f"no cluster: run in a pod, or set KUBECONFIG ({error})") from error
    return Connection(client, namespace or own_namespace, timeout_s)


def _load_configuration() -> tuple[Configuration, str]:
    """Return the client's configuration, and the namespace that it names."""
    configuration = Configuration()
    if "KUBERNETES_SERVICE_HOST" in os.environ and _NAMESPACE_FILE.is_file():
        load_incluster_config(configuration)
        return configuration, _NAMESPACE_FILE.read_text("utf-8").strip()
    file = os.environ.get("KUBECONFIG") or "~/.kube/config"
    load_kube_config(file, client_configuration=configuration)
    _, context = list_kube_config_contexts(file)
    return configuration, context["context"].get("namespace") or "default"


def _create_ssl_context(configuration: Configuration) -> ssl.SSLContext:
    """Trust the authority that the configuration names, as kubectl does."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if configuration.verify_ssl else ssl.CERT_NONE)
    # Python 3.13 refuses authorities without some extensions. Those of EKS have none.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if configuration.ssl_ca_cert is None:
        context.load_default_certs()
    return context


def _read_until(answer: urllib3.HTTPResponse, until: float, step_s: float) -> bytes:
    """Read the whole body. Raises TimeoutError after `until`, even if bytes keep coming."""
    sock = getattr(answer.connection, "sock", None)
    parts = []
    try:
        while part := _read_part(answer, sock, until, step_s):
            parts.append(part)
    except BaseException:
        answer.close()
        raise
    if sock and sock.fileno() >= 0:
        sock.settimeout(step_s)
    answer.release_conn()
    return b"".join(parts)


def _read_part(answer: urllib3.HTTPResponse, sock: socket.socket | None, until: float, step_s: float) -> bytes:
    left_s = until - time.monotonic()
    if left_s <= 0:
        raise TimeoutError(_TOO_LONG)
    if sock:
        # A socket limits the wait for each byte only, so its timeout shrinks with the time that is left.
        sock.settimeout(min(step_s, left_s))
    try:
        return answer.read1(_CHUNK_BYTES)
    except urllib3.exceptions.ReadTimeoutError as error:
        raise TimeoutError(_TOO_LONG) from error
