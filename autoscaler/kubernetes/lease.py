"""Read and write the Lease by which the replicas elect their leader."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from autoscaler.errors import MissingError

if TYPE_CHECKING:
    from autoscaler.kubernetes.transport import Connection


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """The state of the Lease. `version` is its resourceVersion, or empty if there is no Lease yet."""

    holder: str
    renewed: datetime | None
    transitions: int = 0
    version: str = ""
    duration_s: float = 0.0
    acquired: datetime | None = None


class LeaseStore(Protocol):
    """A store of the record. Its methods raise ClusterError's kinds."""

    def read(self) -> LeaseRecord:
        """Return the record as it is now."""

    def write(self, record: LeaseRecord, holder: str, duration_s: float) -> None:
        """Renew the lease for `holder`. An empty `holder` releases it.

        Raises ConflictError if the lease has changed since `record` was read.
        """


class KubernetesLease:
    """A Lease object of the cluster."""

    def __init__(self, connection: "Connection", name: str) -> None:
        self._connection = connection
        self._name = name
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{quote(connection.namespace, safe='')}/leases"
        # Labels and annotations with which the Lease was created. A replacement must keep them.
        self._metadata: dict[str, Any] = {}

    def read(self) -> LeaseRecord:
        """See `LeaseStore`."""
        try:
            found = self._connection.get(f"Lease {self._name}", self._path)
        except MissingError:
            return LeaseRecord("", None)
        spec, metadata = found.get("spec") or {}, found.get("metadata") or {}
        self._metadata = {key: metadata[key] for key in ("labels", "annotations") if metadata.get(key)}
        return LeaseRecord(
            holder=spec.get("holderIdentity") or "",
            renewed=_time_of(spec.get("renewTime")),
            transitions=spec.get("leaseTransitions") or 0,
            version=metadata.get("resourceVersion") or "",
            duration_s=float(spec.get("leaseDurationSeconds") or 0),
            acquired=_time_of(spec.get("acquireTime")),
        )

    def write(self, record: LeaseRecord, holder: str, duration_s: float) -> None:
        """See `LeaseStore`."""
        now = datetime.now(UTC)
        changed = holder != record.holder
        acquired = now if changed else record.acquired
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, round(duration_s)),
            "renewTime": _text_of(now),
            "acquireTime": _text_of(acquired) if acquired else None,
            "leaseTransitions": record.transitions + int(changed and bool(holder)),
        }
        metadata = {"name": self._name, **self._metadata}
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        if record.version:
            metadata["resourceVersion"] = record.version
            self._connection.replace(f"Lease {self._name}", self._path, lease)
        else:
            self._connection.create(f"Lease {self._name}", self._collection, lease)

    @property
    def _path(self) -> str:
        return f"{self._collection}/{quote(self._name, safe='')}"


def _time_of(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _text_of(time: datetime) -> str:
    """Format as the API's MicroTime."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
