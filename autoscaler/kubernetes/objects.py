"""The parts of a Deployment and of an HPA that the autoscaler uses, and the name that it writes by. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FIELD_MANAGER: Final = "likewise-autoscaler"


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment.

    `replicas` is the desired number and `ready` the number of ready pods. `version` is the resourceVersion. `writers`
    are the field managers that own `spec.replicas`.
    """

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
class Hpa:
    """A HorizontalPodAutoscaler.

    `target` is the kind and name of what it scales, as in `Deployment/likewise-api`. `version` is the resourceVersion.
    `writers` are the field managers that own `spec.minReplicas`.
    """

    name: str
    uid: str
    version: str
    min_replicas: int
    max_replicas: int
    target: str
    annotations: Mapping[str, str]
    writers: tuple[str, ...] = ()

    kind: Final = "HorizontalPodAutoscaler"
    api: Final = "autoscaling/v2"
