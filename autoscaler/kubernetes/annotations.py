"""What people ask for by annotations of the API's Deployment: pods ahead of a post, or a pause. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from autoscaler.errors import WishError

PREWARM = "likewise/prewarm"  # `400 until 2026-11-21T20:00:00Z`
PAUSED = "likewise/paused"  # any text but `false`


@dataclass(frozen=True, slots=True)
class Wanted:
    """So many pods until a time."""

    replicas: int
    until: datetime

    def __str__(self) -> str:
        return f"{self.replicas} until {self.until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def is_paused(annotations: Mapping[str, str]) -> bool:
    """Whether nothing may be changed."""
    return annotations.get(PAUSED, "false").strip().lower() not in {"false", ""}


def prewarm_of(annotations: Mapping[str, str]) -> Wanted | None:
    """What is asked for, also when that is over. Raises WishError where it can't be read."""
    text = annotations.get(PREWARM, "").strip()
    return parse_prewarm(text) if text else None


def parse_prewarm(text: str) -> Wanted:
    """From `400 until 2026-11-21T20:00:00Z`. Raises WishError."""
    number, _, until = text.partition(" until ")
    try:
        wanted = Wanted(int(number), datetime.fromisoformat(until.strip()))
    except ValueError:
        wanted = None
    if wanted is None or wanted.until.tzinfo is None or wanted.replicas < 1:
        raise WishError(f"the annotation {PREWARM} is {text!r}; it must be as `400 until 2026-11-21T20:00:00Z`")
    return wanted
