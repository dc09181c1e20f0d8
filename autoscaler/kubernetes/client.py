"""Read and write the few Kubernetes objects that the autoscaler works with."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from autoscaler.kubernetes.objects import FIELD_MANAGER, Hpa, Workload

if TYPE_CHECKING:
    from autoscaler.kubernetes.transport import Connection

# The median startup time of this many pods is close to that of all pods.
_MAX_PODS = 100
_MAX_MESSAGE_CHARS = 1024


class KubernetesApi:
    """The objects of one namespace, by name. Every method raises ClusterError's kinds."""

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection

    @property
    def namespace(self) -> str:
        """Return the namespace of all objects."""
        return self._connection.namespace

    def deployment(self, name: str) -> Workload:
        """Read a Deployment."""
        return _workload(self._connection.get(self._named("Deployment", name), self._path("deployments", name)))

    def hpa(self, name: str) -> Hpa:
        """Read an HPA."""
        return _hpa(self._connection.get(self._named("HPA", name), self._path("horizontalpodautoscalers", name)))

    def set_min_replicas(self, hpa: Hpa, min_replicas: int, annotations: Mapping[str, str | None]) -> Hpa:
        """Patch `minReplicas` and annotations. None removes an annotation.

        Raises ConflictError if the HPA has changed since it was read.
        """
        body = _patch(hpa.version, {"minReplicas": min_replicas} if min_replicas != hpa.min_replicas else None)
        body["metadata"]["annotations"] = dict(annotations)
        what = f"setting minReplicas of HPA {hpa.name} to {min_replicas}"
        return _hpa(self._connection.merge(what, self._path("horizontalpodautoscalers", hpa.name), body))

    def scale(self, workload: Workload, replicas: int) -> None:
        """Patch the scale subresource. Raises ConflictError if the Deployment has changed since it was read."""
        what = f"scaling Deployment {workload.name} to {replicas}"
        body = _patch(workload.version, {"replicas": replicas})
        self._connection.merge(what, self._path("deployments", workload.name) + "/scale", body)

    def annotate(self, deployment: str, annotations: Mapping[str, str | None]) -> None:
        """Set annotations of a Deployment. None removes an annotation."""
        body = {"metadata": {"annotations": dict(annotations)}}
        self._connection.merge(f"annotating Deployment {deployment}", self._path("deployments", deployment), body)

    def pod_startup_times_s(self, workload: Workload, since: datetime) -> list[float]:
        """Return the seconds from creation to readiness of up to 100 ready pods that were created after `since`."""
        selector = ",".join(f"{key}={value}" for key, value in workload.selector.items())
        query = {"labelSelector": selector, "limit": str(_MAX_PODS)}
        found = self._connection.get(f"pods of Deployment {workload.name}", self._path("pods"), query)
        times_s = (_startup_s(pod, since) for pod in found["items"][:_MAX_PODS])
        return [time_s for time_s in times_s if time_s is not None]

    def read_config_map(self, name: str) -> Mapping[str, str]:
        """Return the data of a ConfigMap."""
        found = self._connection.get(self._named("ConfigMap", name), self._path("configmaps", name))
        return found.get("data") or {}

    def write_config_map(self, name: str, data: Mapping[str, str]) -> None:
        """Set entries of a ConfigMap."""
        self._connection.merge(self._named("ConfigMap", name), self._path("configmaps", name), {"data": dict(data)})

    def create_event(self, about: Workload | Hpa, *, reason: str, message: str, warning: bool, by: str) -> None:
        """Create an Event, which `kubectl describe` shows with its object."""
        now = datetime.now(UTC)
        event = {
            "metadata": {"name": f"{about.name}.{int(now.timestamp() * 1e6):x}", "namespace": self.namespace},
            "involvedObject": {
                "apiVersion": about.api, "kind": about.kind, "name": about.name, "namespace": self.namespace,
                "uid": about.uid,
            },
            "reason": reason, "message": message[:_MAX_MESSAGE_CHARS], "type": "Warning" if warning else "Normal",
            "action": reason, "source": {"component": FIELD_MANAGER}, "reportingComponent": FIELD_MANAGER,
            "reportingInstance": by, "firstTimestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "lastTimestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}", "count": 1,
        }  # fmt: skip
        self._connection.create("Event", self._path("events"), event)

    def close(self) -> None:
        """Close every socket."""
        self._connection.close()

    def _named(self, kind: str, name: str) -> str:
        return f"{kind} {name} in namespace {self.namespace}"

    def _path(self, plural: str, name: str = "") -> str:
        path = f"{_API_OF.get(plural, '/api/v1')}/namespaces/{quote(self.namespace, safe='')}/{plural}"
        return f"{path}/{quote(name, safe='')}" if name else path


_API_OF = {"deployments": "/apis/apps/v1", "horizontalpodautoscalers": "/apis/autoscaling/v2"}


def _patch(version: str, spec: Mapping[str, int] | None) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": version}} | ({"spec": dict(spec)} if spec else {})


def _workload(found: Mapping[str, Any]) -> Workload:
    meta, spec, status = found["metadata"], found["spec"], found.get("status") or {}
    return Workload(
        name=meta["name"],
        uid=meta["uid"],
        version=meta["resourceVersion"],
        replicas=spec.get("replicas", 1),
        ready=status.get("readyReplicas", 0),
        selector=spec["selector"].get("matchLabels") or {},
        annotations=meta.get("annotations") or {},
        writers=_writers(meta.get("managedFields"), "replicas"),
    )


def _hpa(found: Mapping[str, Any]) -> Hpa:
    meta, spec = found["metadata"], found["spec"]
    target = spec["scaleTargetRef"]
    return Hpa(
        name=meta["name"],
        uid=meta["uid"],
        version=meta["resourceVersion"],
        min_replicas=spec.get("minReplicas", 1),
        max_replicas=spec["maxReplicas"],
        target=f"{target['kind']}/{target['name']}",
        annotations=meta.get("annotations") or {},
        writers=_writers(meta.get("managedFields"), "minReplicas"),
    )


def _writers(entries: Iterable[Mapping[str, Any]] | None, field: str) -> tuple[str, ...]:
    """Return the managers that own a field of the spec, as `managedFields` records them."""
    owners = {str(entry.get("manager")) for entry in entries or () if f"f:{field}" in _owned_spec(entry)}
    return tuple(sorted(owners))


def _owned_spec(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    return (entry.get("fieldsV1") or {}).get("f:spec") or {}


def _startup_s(pod: Mapping[str, Any], since: datetime) -> float | None:
    created = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    conditions = (pod.get("status") or {}).get("conditions") or ()
    ready = [one["lastTransitionTime"] for one in conditions if (one["type"], one["status"]) == ("Ready", "True")]
    if not ready or not ready[0] or created < since:
        return None
    return (datetime.fromisoformat(ready[0]) - created).total_seconds()
