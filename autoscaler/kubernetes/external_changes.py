"""Detect changes of a number by people, Helm or GitOps, so that the autoscaler does not fight them. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExternalChange:
    """A change of the number by somebody other than this autoscaler."""

    before: int
    value: int
    by: str


class ExternalChanges:
    """The external changes of one number. The autoscaler backs off for `backoff_s` seconds after each."""

    def __init__(self, field_manager: str, backoff_s: float) -> None:
        self._field_manager = field_manager
        self._backoff_s = backoff_s
        self._value: int | None = None
        self._own_value: int | None = None
        self._until = float("-inf")

    def observe(self, value: int, writers: tuple[str, ...], now: float, *, leads: bool) -> ExternalChange | None:
        """Return the external change since the last observation. The first value is not a change.

        Kubernetes does not record who scales a Deployment that was created without `replicas`. Without a record, a
        value that this replica did not write is an external change. While this replica does not lead, such a value is
        the leader's.
        """
        before, self._value = self._value, value
        if before is None or before == value or self._field_manager in writers:
            return None
        if not writers and (not leads or value == self._own_value):
            return None
        self._until = now + self._backoff_s
        return ExternalChange(before, value, " and ".join(writers) or "somebody")

    def record_own(self, value: int) -> None:
        """Remember that this replica wrote the value."""
        self._own_value = value

    def backoff_left_s(self, now: float) -> float:
        """Return the seconds for which the number must still be left alone, or 0."""
        return max(0.0, self._until - now)

    def reset(self) -> None:
        """Forget the last value, because the object was replaced."""
        self._value = None
