"""Decisions and how things stand, as sentences for people. Pure."""

from typing import Any

from autoscaler.controller.journal import Entry


class Wording:
    """Words for the API's Deployment, and for the flushers', whose name is given."""

    def __init__(self, flushers: str) -> None:
        self._flushers = flushers

    def change(self, entry: Entry) -> str:
        """What was done, and why."""
        done = entry.done or f"not done, {entry.current} to {entry.replicas}: {entry.held_back}"
        reason = f"{entry.reason} (bound by {entry.limit})"
        return f"{entry.at} {entry.deployment}: {done}\n    {reason}\n    {self._why(entry)}"

    def stand(self, entry: Entry) -> str:
        """How it stands, and why."""
        held_back = f"; {entry.held_back}" if entry.held_back else ""
        wanted = f", not {entry.replicas}" if entry.replicas != entry.current and not entry.done else ""
        has = entry.replicas if entry.done else entry.current
        return f"{entry.at} {entry.deployment}: at {has}{wanted}, {entry.reason}{held_back}\n    {self._why(entry)}"

    def status(self, said: dict[str, Any]) -> str:
        """From what `status --json` prints."""
        bounds = "" if said["floor"] is None else f", HPA from {said['floor']} to {said['ceiling']}"
        lines = [
            f"leader: {said['leader'] or 'nobody'}",
            f"Deployment {said['deployment']}: {said['replicas']} asked for, {said['ready']} ready{bounds}",
        ]
        lines += ["paused by people"] if said["paused"] else []
        lines += [f"prewarmed: at least {said['prewarm']}"] if said["prewarm"] else []
        lines += [said["unreadable"]] if said["unreadable"] else []
        lines += [self.stand(Entry(**entry)) for entry in said["last"]]
        return "\n".join(lines)

    def _why(self, entry: Entry) -> str:
        parts = ", ".join(f"{name} {value:g}" for name, value in entry.demand.items() if value) or "none"
        candidates = ", ".join(f"{name} {value}" for name, value in entry.candidates.items() if value) or "none needed"
        if self._flushers and entry.deployment == self._flushers:
            return f"likes/s: {parts}; a flusher stores {entry.capacity:g}; flushers: {candidates}"
        return f"requests/s: {parts}; a pod serves {entry.capacity:g}; pods: {candidates}"
