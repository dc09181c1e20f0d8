"""An API server in memory that answers over HTTP: as much of Kubernetes as the autoscaler uses."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Object = dict[str, Any]
NAMESPACE = "blog"
_APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
_SCALING = f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers"
_CORE = f"/api/v1/namespaces/{NAMESPACE}"
_LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"


class KubernetesServer:
    """The objects of one namespace, by their paths. `writes` has the method and path of every write."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.events: list[Object] = []
        self.writes: list[tuple[str, str]] = []
        self._versions = 0
        self.lock = threading.Lock()

    def add_installation(self, replicas: int = 2) -> None:
        """Create what the chart creates for the autoscaler."""
        for name in ("likewise-api", "likewise-flusher"):
            spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}}
            self.put(f"{_APPS}/{name}", {"spec": spec, "status": {"readyReplicas": replicas}})
        target = {"kind": "Deployment", "name": "likewise-api"}
        spec = {"minReplicas": 2, "maxReplicas": 10, "scaleTargetRef": target}
        self.put(f"{_SCALING}/likewise-api", {"spec": spec})
        self.put(f"{_CORE}/configmaps/likewise-autoscaler", {})

    def deployment(self, name: str = "likewise-api") -> Object:
        """Return a Deployment."""
        return self.objects[f"{_APPS}/{name}"]

    def lease(self) -> Object | None:
        """Return the Lease, or None if nobody has led yet."""
        return self.objects.get(f"{_LEASES}/likewise-autoscaler")

    def put(self, path: str, found: Object) -> Object:
        """Store an object with the next version."""
        self._versions += 1
        name = path.rpartition("/")[2]
        own = {"name": name, "uid": f"uid-of-{name}", "resourceVersion": str(self._versions)}
        self.objects[path] = found | {"metadata": found.get("metadata", {}) | own}
        return self.objects[path]

    def answer(self, method: str, path: str, body: Object) -> tuple[int, Object]:
        """Return the status and body of an answer."""
        if method != "GET":
            self.writes.append((method, path))
        if method == "POST" and path.endswith("/events"):
            self.events.append(body)
            return 201, body
        if method == "POST":
            return 201, self.put(f"{path}/{body['metadata']['name']}", body)
        if path == f"{_CORE}/pods":
            return 200, {"items": []}
        found = self.objects.get(path.removesuffix("/scale"))
        if found is None:
            return 404, {"message": f"{path} not found"}
        if method == "GET":
            return 200, found
        version = body.get("metadata", {}).get("resourceVersion")
        if version and version != found["metadata"]["resourceVersion"]:
            return 409, {"message": "the object has been modified"}
        return 200, self.put(path.removesuffix("/scale"), body if method == "PUT" else merged(found, body))


def merged(found: Object, patch: Mapping[str, Any]) -> Object:
    """Return the object after a JSON merge patch."""
    result = dict(found)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key) or {}, value) if isinstance(value, dict) else value
    return result


@contextmanager
def serve(root: Path) -> Iterator[tuple[KubernetesServer, Path]]:
    """Serve an empty namespace. Yield its objects and the path of a KUBECONFIG."""
    kubernetes = KubernetesServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or "{}") if length else {}
            with kubernetes.lock:
                status, found = kubernetes.answer(self.command, self.path.partition("?")[0], body or {})
            text = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_PATCH = handle_any  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        config = root / "kubeconfig"
        config.write_text(json.dumps(_kubeconfig(f"http://127.0.0.1:{server.server_port}")))
        yield kubernetes, config
        server.shutdown()


def _kubeconfig(url: str) -> Object:
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url}}],
        "users": [{"name": "test", "user": {"token": "test"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": NAMESPACE}}],
    }  # fmt: skip
