"""Metrics that an event loop counts in memory and publishes several times a second.

A metric of a pod lies in a file that all its workers share. Writing to it costs as much as a third of a like.
"""

from bisect import bisect_left
from collections import Counter

from prometheus_client import Counter as PublishedCounter
from prometheus_client import Histogram


class BatchedHistogram:
    """The observations of a histogram, or of one of its children, that are not published yet."""

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._values: list[float] = []
        self.observe = self._values.append

    def publish(self) -> None:
        """Add the values to the histogram: once for each bucket, not once for each value as `observe` does."""
        values = self._values
        if not values:
            return
        child = self._histogram
        child._sum.inc(sum(values))
        for bucket, count in Counter([bisect_left(child._upper_bounds, value) for value in values]).items():
            child._buckets[bucket].inc(count)
        values.clear()


class BatchedCounter:
    """The count of a counter, or of one of its children, that is not published yet."""

    __slots__ = ("_counter", "unpublished")

    def __init__(self, counter: PublishedCounter) -> None:
        self._counter = counter
        self.unpublished = 0

    def publish(self) -> None:
        """Add the count to the counter."""
        if self.unpublished:
            self._counter.inc(self.unpublished)
            self.unpublished = 0
