"""Queue the requests in addition to the schedule: second attempts, and what follows an acknowledged like. Pure."""

from collections import deque
from collections.abc import Iterator, Sequence

# The kind of a request, its like, and when it was due.
Job = tuple[int, int, float]


class ExtraRequests:
    """Requests to be sent as soon as a connection is free, the oldest first. `follow_ups` has one kind per like."""

    def __init__(self, follow_ups: Sequence[int]) -> None:
        self._queue: deque[Job] = deque()
        # Most runs have no follow-ups, and need not look for them after each like.
        self._follow_ups = follow_ups if any(follow_ups) else ()
        self._retried: set[tuple[int, int]] = set()

    def __len__(self) -> int:
        return len(self._queue)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._queue)

    def pop(self) -> Job:
        """Remove the oldest request and return it."""
        return self._queue.popleft()

    def follow(self, likes: Sequence[int], at: float) -> None:
        """Queue what follows the likes, which were acknowledged at this time."""
        if self._follow_ups:
            self._queue.extend((kind, like, at) for like in likes if (kind := self._follow_ups[like]))

    def retry(self, kind: int, like: int, due: float) -> bool:
        """Queue the second attempt of a request. Return False if this was the second."""
        if self.is_retried(kind, like):
            return False
        self._retried.add((kind, like))
        self._queue.append((kind, like, due))
        return True

    def is_retried(self, kind: int, like: int) -> bool:
        """Return whether a second attempt of the request was queued."""
        return (kind, like) in self._retried
