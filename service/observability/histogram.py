"""A histogram that observes many durations at a time: thousands cost a few bisections."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from threading import Lock

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class DurationHistogram(Collector):
    """A histogram of seconds with one label.

    It counts in one process. Do not use it in gunicorn's workers, whose metrics the first process adds up.
    """

    def __init__(self, name: str, text: str, label: str, bounds_s: Sequence[float]) -> None:
        self._name, self._text, self._label = name, text, label
        self._bounds_s = bounds_s
        self._counts: dict[str, list[int]] = {}
        self._sums_s: dict[str, float] = {}
        self._lock = Lock()

    def add_label(self, value: str) -> None:
        """Show this label value from now on, with nothing observed."""
        self._counts[value] = [0] * (len(self._bounds_s) + 1)
        self._sums_s[value] = 0.0

    def observe(self, label: str, began_us: Sequence[int], now_us: float) -> None:
        """Observe the time from each of the ascending moments until now. A moment in the future counts as 0."""
        within = [len(began_us) - bisect_left(began_us, now_us - bound_s * 1e6) for bound_s in self._bounds_s]
        sum_us = sum(now_us - began for began in began_us if began < now_us)
        with self._lock:
            for at, (count, before) in enumerate(zip([*within, len(began_us)], [0, *within], strict=True)):
                self._counts[label][at] += count - before
            self._sums_s[label] += sum_us / 1e6

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the metric with all labels; see prometheus_client."""
        family = HistogramMetricFamily(self._name, self._text, labels=[self._label])
        names = [*map(floatToGoString, self._bounds_s), "+Inf"]
        with self._lock:
            for value, counts in self._counts.items():
                buckets = list(zip(names, map(float, accumulate(counts)), strict=True))
                family.add_metric([value], buckets, self._sums_s[value])
        yield family
