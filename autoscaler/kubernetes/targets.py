"""Observe and scale a Deployment: by its HPA's `minReplicas`, or by its scale subresource if it has no HPA."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from autoscaler.errors import MismatchError, NotLeadingError
from autoscaler.kubernetes.annotations import BASELINE, LEADER, updated, value_of
from autoscaler.kubernetes.external_changes import ExternalChange, ExternalChanges
from autoscaler.kubernetes.objects import FIELD_MANAGER, Hpa, Workload


class HpaApi(Protocol):
    """See `autoscaler.kubernetes.client.KubernetesApi`."""

    def hpa(self, name: str) -> Hpa:
        """Read an HPA."""


class ScaleApi(HpaApi, Protocol):
    """See `autoscaler.kubernetes.client.KubernetesApi`."""

    def deployment(self, name: str) -> Workload:
        """Read a Deployment."""

    def set_min_replicas(self, hpa: Hpa, min_replicas: int, annotations: Mapping[str, str | None]) -> Hpa:
        """Patch `minReplicas` and annotations."""

    def scale(self, workload: Workload, replicas: int) -> None:
        """Patch the scale subresource."""


@dataclass(frozen=True, slots=True)
class TargetState:
    """A target as it was observed.

    `change` is an external change since the observation before. The target must be left alone for `backoff_left_s`
    more seconds. `baseline` is the `minReplicas` that somebody else set, or 0.
    """

    workload: Workload
    hpa: Hpa | None = None
    change: ExternalChange | None = None
    backoff_left_s: float = 0.0
    baseline: int = 0

    @property
    def subject(self) -> Workload | Hpa:
        """Return the subject of Events: the object that a person looks at first."""
        return self.hpa or self.workload


class ScaleTarget:
    """A Deployment and the name of its HPA, which may be empty. It is only written while `may_write` returns true."""

    def __init__(
        self,
        api: ScaleApi,
        deployment: str,
        hpa: str,
        *,
        identity: str,
        backoff_s: float,
        may_write: Callable[[], bool],
    ) -> None:
        self.deployment = deployment
        self._api, self._hpa, self._identity = api, hpa, identity
        self._changes = ExternalChanges(FIELD_MANAGER, backoff_s)
        self._may_write = may_write
        self._uid = ""
        self._has_touched_hpa = False

    def observe(self, now: float) -> TargetState:
        """Read the target. Raises ClusterError's kinds."""
        workload = self._api.deployment(self.deployment)
        hpa = hpa_of(self._api, self._hpa, self.deployment) if self._hpa else None
        subject = hpa or workload
        if subject.uid != self._uid:
            self._changes.reset()
            self._uid = subject.uid
        number = hpa.min_replicas if hpa else workload.replicas
        change = self._changes.observe(number, subject.writers, now, leads=self._may_write())
        return TargetState(workload, hpa, change, self._changes.backoff_left_s(now), baseline_of(hpa) if hpa else 0)

    def apply(self, state: TargetState, replicas: int) -> str:
        """Request `replicas` pods. Return a description of the change, or an empty string if there was none.

        With an HPA, its `minReplicas` is raised before the Deployment, or the HPA would remove the new pods. Only
        `minReplicas` is lowered, so that the HPA removes pods at its own pace. A Deployment with 0 replicas is switched
        off and stays so. Raises ClusterError's kinds, and ConflictError if `state` is out of date.
        """
        if state.workload.replicas == 0:
            return ""
        if state.hpa is None:
            return self._scale(state.workload, replicas) if replicas != state.workload.replicas else ""
        replicas = max(1, min(replicas, state.hpa.max_replicas))
        must_write = replicas != state.hpa.min_replicas or not self._has_touched_hpa
        done = [self._set_min_replicas(state, state.hpa, replicas)] if must_write else []
        if replicas > state.workload.replicas:
            done.append(self._scale(state.workload, replicas))
        return ", ".join(part for part in done if part)

    def stop_leading(self) -> None:
        """Note that another replica leads. Once this one leads again, it writes the HPA before it trusts a reading."""
        self._has_touched_hpa = False

    def _set_min_replicas(self, state: TargetState, hpa: Hpa, replicas: int) -> str:
        self._check_leading()
        baseline = str(state.baseline) if state.baseline else None
        self._api.set_min_replicas(hpa, replicas, updated({LEADER: self._identity, BASELINE: baseline}))
        self._changes.record_own(replicas)
        self._has_touched_hpa = True
        return f"minReplicas {hpa.min_replicas} to {replicas}" if replicas != hpa.min_replicas else ""

    def _scale(self, workload: Workload, replicas: int) -> str:
        self._check_leading()
        self._api.scale(workload, replicas)
        if not self._hpa:
            self._changes.record_own(replicas)
        return f"scaled {workload.replicas} to {replicas}"

    def _check_leading(self) -> None:
        # A process that was stopped between the decision and here may have lost the lease.
        if not self._may_write():
            raise NotLeadingError()


def hpa_of(api: HpaApi, name: str, deployment: str) -> Hpa:
    """Read the HPA of a Deployment. Raises MismatchError if it scales another, and ClusterError's other kinds."""
    hpa = api.hpa(name)
    if hpa.target != f"Deployment/{deployment}":
        raise MismatchError(f"HPA {name} scales {hpa.target}, not Deployment/{deployment}: it is left alone")
    return hpa


def baseline_of(hpa: Hpa) -> int:
    """Return the `minReplicas` that somebody else wants, or 0.

    It is the current value, or the one that was noted when this autoscaler raised it.
    """
    if FIELD_MANAGER not in hpa.writers:
        return hpa.min_replicas
    noted = value_of(hpa.annotations, BASELINE)
    return int(noted) if noted.isascii() and noted.isdigit() else 0
