"""Edits by others of a number that this autoscaler writes: people, Helm, GitOps. Seen, and not fought. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """Another than this autoscaler set the number."""

    before: int
    value: int
    by: str


class Edits:
    """Watches one number. After another's edit it is left alone for `yield_s` seconds."""

    def __init__(self, me: str, yield_s: float) -> None:
        self._me = me
        self._yield_s = yield_s
        self._value: int | None = None
        self._wrote: int | None = None
        self._until = float("-inf")

    def look(self, value: int, writers: tuple[str, ...], now: float, *, leads: bool) -> Edit | None:
        """The edit that happened since the last look. What was there at first is nobody's edit.

        Kubernetes does not keep account of who scales a Deployment whose `replicas` nobody had set. Then what this
        replica did not write is another's; but while it does not lead, the leader's.
        """
        before, self._value = self._value, value
        if before is None or before == value or self._me in writers:
            return None
        if not writers and (not leads or value == self._wrote):
            return None
        self._until = now + self._yield_s
        return Edit(before, value, " and ".join(writers) or "somebody")

    def wrote(self, value: int) -> None:
        """This replica set the number."""
        self._wrote = value

    def left_alone_s(self, now: float) -> float:
        """For how long the number is to be left alone yet; 0 where it is not."""
        return max(0.0, self._until - now)

    def forget(self) -> None:
        """The object is another one."""
        self._value = None
