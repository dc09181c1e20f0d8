"""Record changes and problems in the log and as Events of the scaled object. A repeated message is recorded rarely."""

from collections.abc import Callable
from typing import Protocol

import structlog

from autoscaler.errors import ClusterError
from autoscaler.kubernetes.objects import Hpa, Workload

log = structlog.get_logger(__name__)
# Kubernetes deletes Events after an hour, so a lasting problem is recorded again before that.
_REPEAT_AFTER_S = 600.0


class EventApi(Protocol):
    """See `autoscaler.kubernetes.client.KubernetesApi`."""

    def create_event(self, about: Workload | Hpa, *, reason: str, message: str, warning: bool, by: str) -> None:
        """Create an Event."""


class EventRecorder:
    """Records each `reason` when its message changes. `may_create` says whether this replica leads and creates Events.

    A replica that does not lead writes to its log only.
    """

    def __init__(self, api: EventApi, identity: str, may_create: Callable[[], bool]) -> None:
        self._api, self._identity, self._may_create = api, identity, may_create
        self._recorded: dict[tuple[str, str], tuple[str, float]] = {}

    def record(
        self,
        about: Workload | Hpa | None,
        reason: str,
        message: str,
        now: float,
        *,
        warning: bool = False,
        topic: str = "",
    ) -> None:
        """Record a message unless it repeats the last one of this reason. An empty message ends the repetition.

        Messages of one `topic` count as the same, even with different figures.
        """
        key = (about.name if about else "", reason)
        before, since = self._recorded.get(key, ("", float("-inf")))
        if not message:
            self._recorded.pop(key, None)
        topic = topic or message
        if not message or (topic == before and now - since < _REPEAT_AFTER_S):
            return
        self._recorded[key] = (topic, now)
        (log.warning if warning else log.info)(message, reason=reason)
        if about and self._may_create():
            self._create(about, reason, message, warning=warning)

    def _create(self, about: Workload | Hpa, reason: str, message: str, *, warning: bool) -> None:
        try:
            self._api.create_event(about, reason=reason, message=message, warning=warning, by=self._identity)
        except ClusterError as error:
            log.warning("event not created", reason=str(error))
