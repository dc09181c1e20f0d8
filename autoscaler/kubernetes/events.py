"""What is said to people: Events at what is scaled, and the log. The same is said once, and again after a while."""

from collections.abc import Callable
from typing import Protocol

import structlog

from autoscaler.errors import ClusterError
from autoscaler.kubernetes.objects import Floor, Workload

log = structlog.get_logger(__name__)
_AGAIN_S = 600.0  # Events are gone after an hour; a trouble that goes on is to be among them


class Speaker(Protocol):
    """See `autoscaler.kubernetes.client.Cluster`."""

    def say(self, about: Workload | Floor, *, reason: str, message: str, warning: bool, by: str) -> None: ...


class Events:
    """Says each `reason` when its message changes. Only who leads makes Events: `speaks` tells whether."""

    def __init__(self, speaker: Speaker, me: str, speaks: Callable[[], bool]) -> None:
        self._speaker, self._me, self._speaks = speaker, me, speaks
        self._said: dict[tuple[str, str], tuple[str, float]] = {}

    def say(
        self,
        about: Workload | Floor | None,
        reason: str,
        message: str,
        now: float,
        *,
        warning: bool = False,
        topic: str = "",
    ) -> None:
        """Say it unless it was the last that was said for this reason; '' is that there is nothing any more.

        Messages of one `topic` are the same, whatever their figures.
        """
        key = (about.name if about else "", reason)
        before, since = self._said.get(key, ("", float("-inf")))
        if not message:
            self._said.pop(key, None)
        topic = topic or message
        if not message or (topic == before and now - since < _AGAIN_S):
            return
        self._said[key] = (topic, now)
        (log.warning if warning else log.info)(message, reason=reason)
        if about and self._speaks():
            try:
                self._speaker.say(about, reason=reason, message=message, warning=warning, by=self._me)
            except ClusterError as error:
                log.warning("event not made", reason=str(error))
