"""Describe decisions and the current state in sentences. Pure."""

from typing import Any

from autoscaler.controller.journal import Entry


class Explainer:
    """Sentences about the Deployment of the API and, if it has a name, the Deployment of the flushers."""

    def __init__(self, flushers: str) -> None:
        self._flushers = flushers

    def explain_change(self, entry: Entry) -> str:
        """Return what was done, and why."""
        action = entry.action or f"not done, {entry.current} to {entry.replicas}: {entry.suppressed_by}"
        reason = f"{entry.reason} (limited by {entry.limit})"
        return f"{entry.at} {entry.deployment}: {action}\n    {reason}\n    {self._figures(entry)}"

    def explain_state(self, entry: Entry) -> str:
        """Return the current number, the wanted one if it differs, and why."""
        suppressed_by = f"; {entry.suppressed_by}" if entry.suppressed_by else ""
        wanted = f", not {entry.replicas}" if entry.replicas != entry.current and not entry.action else ""
        number = entry.replicas if entry.action else entry.current
        sentence = f"at {number}{wanted}, {entry.reason}{suppressed_by}"
        return f"{entry.at} {entry.deployment}: {sentence}\n    {self._figures(entry)}"

    def explain_status(self, status: dict[str, Any]) -> str:
        """Return the text of what `status --json` prints."""
        low, high = status["min_replicas"], status["max_replicas"]
        bounds = "" if low is None else f", HPA from {low} to {high}"
        lines = [
            f"leader: {status['leader'] or 'nobody'}",
            f"Deployment {status['deployment']}: {status['replicas']} desired, {status['ready']} ready{bounds}",
        ]
        lines += ["paused by an operator"] if status["paused"] else []
        lines += [f"prewarmed: at least {status['prewarm']}"] if status["prewarm"] else []
        lines += [status["unreadable"]] if status["unreadable"] else []
        lines += [self.explain_state(Entry(**entry)) for entry in status["last"]]
        return "\n".join(lines)

    def _figures(self, entry: Entry) -> str:
        parts = ", ".join(f"{name} {value:g}" for name, value in entry.demand.items() if value) or "none"
        candidates = ", ".join(f"{name} {value}" for name, value in entry.candidates.items() if value) or "none needed"
        if self._flushers and entry.deployment == self._flushers:
            return f"likes/s: {parts}; a flusher stores {entry.capacity:g}; flushers: {candidates}"
        return f"requests/s: {parts}; a pod serves {entry.capacity:g}; pods: {candidates}"
