"""The Kubernetes API as we use it: a few objects by name."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from lightkube import Client
from lightkube.models.core_v1 import EventSource, ObjectReference
from lightkube.models.meta_v1 import ManagedFieldsEntry, ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import ConfigMap, Event, Pod
from lightkube.types import PatchType

from autoscaler.kubernetes.objects import FIELD_MANAGER, Floor, Workload
from autoscaler.kubernetes.transport import translated

_PODS = 100  # that a lead time is measured from: the median of so many is near that of all

T = TypeVar("T")


class Cluster:
    """What is read and written, in one namespace. Raises ClusterError's kinds."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def namespace(self) -> str:
        """Where all that is named is."""
        return str(self._client.namespace)

    @property
    def _where(self) -> str:
        return f" in namespace {self.namespace}"

    def deployment(self, name: str) -> Workload:
        """A Deployment."""
        with translated(f"Deployment {name}{self._where}"):
            return _workload(self._client.get(Deployment, name))

    def floor(self, name: str) -> Floor:
        """An HPA."""
        with translated(f"HPA {name}{self._where}"):
            return _floor(self._client.get(HorizontalPodAutoscaler, name))

    def set_floor(self, floor: Floor, least: int, annotations: Mapping[str, str | None]) -> Floor:
        """Patch `minReplicas`, unless the HPA has changed since it was read: then ConflictError."""
        body = _body(floor.version, {"minReplicas": least}) if least != floor.least else _body(floor.version)
        body["metadata"]["annotations"] = dict(annotations)
        with translated(f"setting minReplicas of HPA {floor.name} to {least}"):
            return _floor(self._client.patch(HorizontalPodAutoscaler, floor.name, body, patch_type=PatchType.MERGE))

    def scale(self, workload: Workload, replicas: int) -> None:
        """Patch the scale subresource, unless the Deployment has changed since it was read: then ConflictError."""
        body = _body(workload.version, {"replicas": replicas})
        with translated(f"scaling Deployment {workload.name} to {replicas}"):
            self._client.patch(Deployment.Scale, workload.name, body, patch_type=PatchType.MERGE)

    def annotate(self, deployment: str, annotations: Mapping[str, str | None]) -> None:
        """Set annotations of a Deployment; None removes one."""
        body = {"metadata": {"annotations": dict(annotations)}}
        with translated(f"annotating Deployment {deployment}"):
            self._client.patch(Deployment, deployment, body, patch_type=PatchType.MERGE)

    def lead_times_s(self, workload: Workload, since: datetime) -> list[float]:
        """From creation to readiness, of up to 100 of its pods that were created since then and are ready."""
        with translated(f"pods of Deployment {workload.name}"):
            listed = self._client.list(Pod, labels=dict(workload.selector), chunk_size=_PODS)
            pods = list(islice(listed, _PODS))
        return [lead_s for pod in pods if (lead_s := _lead_s(pod, since)) is not None]

    def kept(self, name: str) -> Mapping[str, str]:
        """What a ConfigMap holds."""
        with translated(f"ConfigMap {name}{self._where}"):
            return self._client.get(ConfigMap, name).data or {}

    def keep(self, name: str, data: Mapping[str, str]) -> None:
        """Put entries into a ConfigMap."""
        with translated(f"ConfigMap {name}{self._where}"):
            self._client.patch(ConfigMap, name, {"data": dict(data)}, patch_type=PatchType.MERGE)

    def say(self, about: Workload | Floor, *, reason: str, message: str, warning: bool, by: str) -> None:
        """An Event, as `kubectl describe` shows it."""
        now = datetime.now(UTC)
        name = f"{about.name}.{int(now.timestamp() * 1e6):x}"
        event = Event(
            metadata=ObjectMeta(name=name, namespace=self.namespace),
            involvedObject=ObjectReference(
                apiVersion=about.api, kind=about.kind, name=about.name, namespace=self.namespace, uid=about.uid
            ),
            reason=reason, message=message[:1024], type="Warning" if warning else "Normal", action=reason,
            source=EventSource(component=FIELD_MANAGER), reportingComponent=FIELD_MANAGER, reportingInstance=by,
            firstTimestamp=now, lastTimestamp=now, count=1,
        )  # fmt: skip
        with translated("Event"):
            self._client.create(event)

    def close(self) -> None:
        """Close every socket."""
        self._client.close()


def _body(version: str, spec: Mapping[str, int] | None = None) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": version}} | ({"spec": dict(spec)} if spec else {})


def _workload(found: Deployment) -> Workload:
    meta, spec, status = _some(found.metadata), _some(found.spec), found.status
    return Workload(
        name=str(meta.name),
        uid=str(meta.uid),
        version=str(meta.resourceVersion),
        replicas=1 if spec.replicas is None else spec.replicas,
        ready=(status.readyReplicas if status else 0) or 0,
        selector=spec.selector.matchLabels or {},
        annotations=meta.annotations or {},
        writers=_writers(meta.managedFields, "replicas"),
    )


def _floor(found: HorizontalPodAutoscaler) -> Floor:
    meta, spec = _some(found.metadata), _some(found.spec)
    return Floor(
        name=str(meta.name),
        uid=str(meta.uid),
        version=str(meta.resourceVersion),
        least=1 if spec.minReplicas is None else spec.minReplicas,
        most=spec.maxReplicas,
        target=f"{spec.scaleTargetRef.kind}/{spec.scaleTargetRef.name}",
        annotations=meta.annotations or {},
        writers=_writers(meta.managedFields, "minReplicas"),
    )


def _writers(entries: list[ManagedFieldsEntry] | None, field: str) -> tuple[str, ...]:
    """Who last wrote a field of the spec: Kubernetes keeps account of it."""
    found = [entry for entry in entries or () if f"f:{field}" in (entry.fieldsV1 or {}).get("f:spec", {})]
    return tuple(sorted({str(entry.manager) for entry in found}))


def _lead_s(pod: Pod, since: datetime) -> float | None:
    created = _some(pod.metadata).creationTimestamp
    conditions = (pod.status.conditions if pod.status else None) or []
    ready = [one.lastTransitionTime for one in conditions if one.type == "Ready" and one.status == "True"]
    if not ready or ready[0] is None or created is None or created < since:
        return None
    return (ready[0] - created).total_seconds()


def _some(value: T | None) -> T:
    assert value is not None  # objects of the API have it
    return value
