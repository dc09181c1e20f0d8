"""What is scaled: a Deployment by its HPA's floor, or by its scale subresource where it has none."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from autoscaler.errors import MismatchError, NotLeadingError
from autoscaler.kubernetes.external_changes import Edit, Edits
from autoscaler.kubernetes.objects import FIELD_MANAGER, Floor, Workload

LEADER = "likewise/leader"  # of an HPA: who last took over; writing it makes each older reading of the HPA unusable
BASE = "likewise/base"  # of an HPA: the floor that another than this autoscaler set last


class Api(Protocol):
    """See `autoscaler.kubernetes.client.Cluster`."""

    def deployment(self, name: str) -> Workload: ...

    def floor(self, name: str) -> Floor: ...

    def set_floor(self, floor: Floor, least: int, annotations: dict[str, str | None]) -> Floor: ...

    def scale(self, workload: Workload, replicas: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """A target at one moment. `edit` is another's change since the look before; `base` what others set the floor to."""

    workload: Workload
    floor: Floor | None = None
    edit: Edit | None = None
    left_alone_s: float = 0.0
    base: int = 0

    @property
    def about(self) -> Workload | Floor:
        """What Events are about: where a person would look first."""
        return self.floor or self.workload


class Target:
    """A Deployment, and its HPA's name or ''. Nothing is written once `may_write` says no."""

    def __init__(
        self, api: Api, deployment: str, hpa: str, *, me: str, yield_s: float, may_write: Callable[[], bool]
    ) -> None:
        self.deployment = deployment
        self._api, self._hpa, self._me = api, hpa, me
        self._edits = Edits(FIELD_MANAGER, yield_s)
        self._may_write = may_write
        self._uid = ""
        self._leading = False

    def look(self, now: float) -> Seen:
        """Read it. Raises ClusterError's kinds."""
        workload = self._api.deployment(self.deployment)
        floor = floor_of(self._api, self._hpa, self.deployment) if self._hpa else None
        about = floor or workload
        if about.uid != self._uid:
            self._edits.forget()
            self._uid = about.uid
        number = floor.least if floor else workload.replicas
        edit = self._edits.look(number, about.writers, now, leads=self._may_write())
        return Seen(workload, floor, edit, self._edits.left_alone_s(now), base_of(floor) if floor else 0)

    def act(self, seen: Seen, replicas: int) -> str:
        """Ask for so many; what was done, or ''. Raises ClusterError's kinds, ConflictError where a look is too old.

        With an HPA its floor comes first, and only then the Deployment, as the HPA would take back what is above its
        own mind; down goes the floor alone. At 0 replicas a person has switched it off.
        """
        if seen.workload.replicas == 0:
            return ""
        if seen.floor is None:
            return self._scale(seen.workload, replicas) if replicas != seen.workload.replicas else ""
        least = max(1, min(replicas, seen.floor.most))
        done = [self._set_floor(seen, seen.floor, least)] if least != seen.floor.least or not self._leading else []
        if least > seen.workload.replicas:
            done.append(self._scale(seen.workload, least))
        return ", ".join(part for part in done if part)

    def left(self) -> None:
        """Another leads: what it finds is to be touched before it is trusted again."""
        self._leading = False

    def _set_floor(self, seen: Seen, floor: Floor, least: int) -> str:
        self._check()
        base = str(seen.base) if seen.base else None
        self._api.set_floor(floor, least, {LEADER: self._me, BASE: base})
        self._edits.wrote(least)
        self._leading = True
        return f"floor {floor.least} to {least}" if least != floor.least else ""

    def _scale(self, workload: Workload, replicas: int) -> str:
        self._check()
        self._api.scale(workload, replicas)
        if not self._hpa:
            self._edits.wrote(replicas)
        return f"scaled {workload.replicas} to {replicas}"

    def _check(self) -> None:
        """Right before each write: whoever was stopped meanwhile leads no more."""
        if not self._may_write():
            raise NotLeadingError()


class Floors(Protocol):
    """See `autoscaler.kubernetes.client.Cluster`."""

    def floor(self, name: str) -> Floor: ...


def floor_of(api: Floors, hpa: str, deployment: str) -> Floor:
    """An HPA of the Deployment. Raises MismatchError where it scales another, and ClusterError's other kinds."""
    floor = api.floor(hpa)
    if floor.target != f"Deployment/{deployment}":
        raise MismatchError(f"HPA {hpa} scales {floor.target}, not Deployment/{deployment}: it is left alone")
    return floor


def base_of(floor: Floor) -> int:
    """What others want as the floor: it stands there, or it was noted when this autoscaler went above it."""
    if FIELD_MANAGER not in floor.writers:
        return floor.least
    noted = floor.annotations.get(BASE, "")
    return int(noted) if noted.isascii() and noted.isdigit() else 0
