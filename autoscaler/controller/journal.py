"""Keep the last decisions and their reasons in a ConfigMap, for people and for the next leader."""

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from autoscaler.errors import JournalError
from autoscaler.policy.decision import Decision

KEY = "decisions.json"
# Some 20 KB of a ConfigMap's 1 MB: enough for the rise and the fall of a viral post.
_MAX_CHANGES = 30
# Minimum pause between two writes. People read the journal, so more frequent writes are of no use.
_MIN_INTERVAL_S = 2.0
# Pause between two writes while nothing changes: the maximum age of the last decision.
_MAX_INTERVAL_S = 15.0
# Fields of the release before this one.
_OLD_FIELDS = {"done": "action", "held_back": "suppressed_by"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A decision on a Deployment.

    `action` says what was done. `suppressed_by` says why nothing may be done, or is empty.
    """

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
    action: str = ""
    suppressed_by: str = ""

    @property
    def is_change(self) -> bool:
        """Return whether a change was made, or would have been."""
        return bool(self.action) or self.replicas != self.current

    @property
    def summary(self) -> tuple[int, int, str]:
        """Return the current number, the wanted number, and what suppresses the change, without figures."""
        return self.current, self.replicas, self.suppressed_by.partition(":")[0]


def entry_of(decision: Decision, *, by: str, deployment: str, action: str, suppressed_by: str) -> Entry:
    """Build the entry of a decision that was made now."""
    return Entry(
        at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", by=by, deployment=deployment, replicas=decision.replicas,
        current=decision.current, reason=decision.reason, limit=decision.limit, capacity=round(decision.capacity, 1),
        candidates=dict(decision.candidates), demand={k: round(v, 1) for k, v in asdict(decision.demand).items()},
        action=action, suppressed_by=suppressed_by,
    )  # fmt: skip


class ConfigMapStore(Protocol):
    """See `autoscaler.kubernetes.client.KubernetesApi`."""

    def read_config_map(self, name: str) -> Mapping[str, str]:
        """Return the data of a ConfigMap."""

    def write_config_map(self, name: str, data: Mapping[str, str]) -> None:
        """Set entries of a ConfigMap."""


class Journal:
    """The last changes, and the last decision on each Deployment. Without a ConfigMap's `name` it stores nothing."""

    def __init__(self, store: ConfigMapStore, name: str) -> None:
        self._store, self._name = store, name
        self._changes: deque[Entry] = deque(maxlen=_MAX_CHANGES)
        self._last: dict[str, Entry] = {}
        self._written_at = float("-inf")
        self._has_news = False

    def add(self, entry: Entry) -> None:
        """Add a decision. A suppressed one that repeats the last only replaces it."""
        before = self._last.get(entry.deployment)
        is_repeated = before is not None and not entry.action and before.summary == entry.summary
        if entry.is_change and not is_repeated:
            self._changes.append(entry)
            self._has_news = True
        self._last[entry.deployment] = entry

    def restore(self) -> None:
        """Continue with the changes of the previous leader, if they can be read. Raises ClusterError's kinds."""
        if not self._name:
            return
        try:
            changes, _ = parse(self._store.read_config_map(self._name).get(KEY, ""))
        except JournalError:
            return
        self._changes.clear()
        self._changes.extend(changes)

    def save(self, now: float) -> None:
        """Write the ConfigMap if there is news, or if it is old. Raises ClusterError's kinds."""
        interval_s = _MIN_INTERVAL_S if self._has_news else _MAX_INTERVAL_S
        if self._name and now - self._written_at >= interval_s:
            self._written_at = now
            self._store.write_config_map(self._name, {KEY: self._text()})
            self._has_news = False

    def _text(self) -> str:
        last = [asdict(entry) for entry in self._last.values()]
        return json.dumps({"last": last, "changes": [asdict(entry) for entry in self._changes]})


def parse(text: str) -> tuple[list[Entry], list[Entry]]:
    """Return the changes, oldest first, and the last decision on each Deployment. Raises JournalError."""
    try:
        stored = json.loads(text)
        return _entries(stored["changes"]), _entries(stored["last"])
    except (ValueError, KeyError, TypeError) as error:
        raise JournalError(f"the stored decisions cannot be read: {error}") from error


def _entries(found: Iterable[Mapping[str, Any]]) -> list[Entry]:
    return [Entry(**{_OLD_FIELDS.get(name, name): value for name, value in one.items()}) for one in found]
