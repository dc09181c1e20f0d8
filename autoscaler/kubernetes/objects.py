"""What is known of a Deployment and an HPA, and the name that we write by. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FIELD_MANAGER: Final = "likewise-autoscaler"


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment: what it is asked for, how many are ready, who wrote the number. `version`: its resourceVersion."""

    name: str
    uid: str
    version: str
    replicas: int
    ready: int
    selector: Mapping[str, str]
    annotations: Mapping[str, str]
    writers: tuple[str, ...] = ()

    kind: Final = "Deployment"
    api: Final = "apps/v1"


@dataclass(frozen=True, slots=True)
class Floor:
    """An HPA: its floor and ceiling (`minReplicas`, `maxReplicas`), who wrote the floor, and what it scales.

    `target` is kind and name, as `Deployment/likewise-api`.
    """

    name: str
    uid: str
    version: str
    least: int
    most: int
    target: str
    annotations: Mapping[str, str]
    writers: tuple[str, ...] = ()

    kind: Final = "HorizontalPodAutoscaler"
    api: Final = "autoscaling/v2"
