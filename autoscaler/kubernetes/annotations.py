"""The autoscaler's annotations: requests of people on the API's Deployment, and its own notes on the HPA. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from autoscaler.errors import PrewarmError

# On the Deployment. Written as `400 until 2026-11-21T20:00:00Z`.
PREWARM: Final = "autoscaler.likewise.dev/prewarm"
# On the Deployment. Every text but `false` pauses the autoscaler.
PAUSED: Final = "autoscaler.likewise.dev/paused"
# On the HPA: the replica that last became leader. Writing it invalidates every earlier reading of the HPA.
LEADER: Final = "autoscaler.likewise.dev/leader"
# On the HPA: the `minReplicas` that somebody other than the autoscaler set last.
BASELINE: Final = "autoscaler.likewise.dev/baseline"

# Keys of the release before this one. They are still read in this release.
OLD_KEYS: Final = {
    PREWARM: "likewise/prewarm",
    PAUSED: "likewise/paused",
    LEADER: "likewise/leader",
    BASELINE: "likewise/base",
}


@dataclass(frozen=True, slots=True)
class PrewarmRequest:
    """A number of pods that a person requests until a time."""

    replicas: int
    until: datetime

    def __str__(self) -> str:
        return f"{self.replicas} until {self.until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def value_of(annotations: Mapping[str, str], key: str) -> str:
    """Return the value at a key or, if it is not set, at its old key. Return an empty string if neither is set."""
    return annotations.get(key, annotations.get(OLD_KEYS[key], ""))


def updated(values: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return a patch that sets the keys and removes their old ones."""
    return {**values, **{OLD_KEYS[key]: None for key in values}}


def old_key_warning(annotations: Mapping[str, str]) -> str:
    """Return a sentence that names each old key in use and its new key, or an empty string."""
    renamed = [f"{old} was renamed to {new}" for new, old in OLD_KEYS.items() if old in annotations]
    if not renamed:
        return ""
    return f"annotation {', '.join(renamed)}: the old key still works in this release, set the new one instead"


def is_paused(annotations: Mapping[str, str]) -> bool:
    """Return whether a person has paused the autoscaler."""
    return value_of(annotations, PAUSED).strip().lower() not in {"false", ""}


def prewarm_of(annotations: Mapping[str, str]) -> PrewarmRequest | None:
    """Return the request for more pods, even if its time is over. Raises PrewarmError if it cannot be read."""
    text = value_of(annotations, PREWARM).strip()
    return _parse_prewarm(text) if text else None


def _parse_prewarm(text: str) -> PrewarmRequest:
    number, _, until = text.partition(" until ")
    try:
        request = PrewarmRequest(int(number), datetime.fromisoformat(until.strip()))
    except ValueError:
        request = None
    if request is None or request.until.tzinfo is None or request.replicas < 1:
        raise PrewarmError(f"the annotation {PREWARM} is {text!r}; write it as `400 until 2026-11-21T20:00:00Z`")
    return request
