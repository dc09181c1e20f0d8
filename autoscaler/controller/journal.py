"""The last decisions and why, kept in a ConfigMap: readable from anywhere, and by whoever leads next."""

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from autoscaler.errors import JournalError
from autoscaler.policy.decision import Decision

KEY = "decisions.json"
_CHANGES = 30  # some 20 KB of a ConfigMap's 1 MB: the rise and the release of a post
_AT_LEAST_S = 2.0  # between two writes while much changes: `explain` is for people
_AT_MOST_S = 15.0  # between two writes while nothing changes: how old the last word may be


@dataclass(frozen=True, slots=True)
class Entry:
    """A decision on a Deployment: what was asked for and why, and what was `done`, or what `held_back` says instead."""

    at: str
    by: str
    deployment: str
    replicas: int
    current: int
    reason: str
    limit: str
    capacity: float
    candidates: Mapping[str, int]
    demand: Mapping[str, float]
    done: str = ""
    held_back: str = ""

    @property
    def is_change(self) -> bool:
        """Whether anything was done, or would have been."""
        return bool(self.done) or self.replicas != self.current

    @property
    def stand(self) -> tuple[int, int, str]:
        """How it stands, whatever the figures: what is there, what is wanted, and what holds it back."""
        return self.current, self.replicas, self.held_back.partition(":")[0]


def entry_of(decision: Decision, *, by: str, deployment: str, done: str, held_back: str) -> Entry:
    """Of a decision that was made now."""
    return Entry(
        at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", by=by, deployment=deployment, replicas=decision.replicas,
        current=decision.current, reason=decision.reason, limit=decision.limit, capacity=round(decision.capacity, 1),
        candidates=dict(decision.candidates), demand={k: round(v, 1) for k, v in asdict(decision.demand).items()},
        done=done, held_back=held_back,
    )  # fmt: skip


class Keeper(Protocol):
    """See `autoscaler.kubernetes.client.Cluster`."""

    def kept(self, name: str) -> Mapping[str, str]: ...

    def keep(self, name: str, data: Mapping[str, str]) -> None: ...


class Journal:
    """The last changes, and the last word on each Deployment. `name` is of the ConfigMap, '' for none."""

    def __init__(self, keeper: Keeper, name: str) -> None:
        self._keeper, self._name = keeper, name
        self._changes: deque[Entry] = deque(maxlen=_CHANGES)
        self._last: dict[str, Entry] = {}
        self._kept_at = float("-inf")
        self._has_news = False

    def note(self, entry: Entry) -> None:
        """Remember a decision; held-back ones of which the same is known already only as the last word."""
        before = self._last.get(entry.deployment)
        repeated = before is not None and not entry.done and before.stand == entry.stand
        if entry.is_change and not repeated:
            self._changes.append(entry)
            self._has_news = True
        self._last[entry.deployment] = entry

    def resume(self) -> None:
        """Go on from what another has kept; what can't be read is left. Raises ClusterError's kinds."""
        if not self._name:
            return
        try:
            changes, _ = read(self._keeper.kept(self._name).get(KEY, ""))
        except JournalError:
            return
        self._changes.clear()
        self._changes.extend(changes)

    def keep(self, now: float) -> None:
        """Write it where there is news, or it is time. Raises ClusterError's kinds."""
        if self._name and now - self._kept_at >= (_AT_LEAST_S if self._has_news else _AT_MOST_S):
            self._kept_at = now
            self._keeper.keep(self._name, {KEY: self.text()})
            self._has_news = False

    def text(self) -> str:
        """As it is kept."""
        last = [asdict(entry) for entry in self._last.values()]
        return json.dumps({"last": last, "changes": [asdict(entry) for entry in self._changes]})


def read(text: str) -> tuple[list[Entry], list[Entry]]:
    """The changes, oldest first, and the last word on each Deployment. Raises JournalError."""
    try:
        kept = json.loads(text)
        return _entries(kept["changes"]), _entries(kept["last"])
    except (ValueError, KeyError, TypeError) as error:
        raise JournalError(f"the decisions that were kept can't be read: {error}") from error


def _entries(found: Iterable[Mapping[str, Any]]) -> list[Entry]:
    return [Entry(**one) for one in found]
