"""Read the load from Prometheus. It is as old as the last scrape, and has no rates of posts."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from autoscaler.errors import SignalsUnavailableError
from autoscaler.policy.observation import PodSample
from autoscaler.signals.signals import Backlog, Signals
from service.observability.load_report import FIGURES

# Pods of the release before this one call the label `of`.
_PODS = """
  likewise_signal{%(selector)s}
  or label_replace(likewise_signal_ready_seconds{%(selector)s}, "metric", "ready_s", "", "")
  or label_replace(time() - timestamp(likewise_signal{%(selector_and)smetric="workers"}), "metric", "age_s", "", "")
  or label_replace(time() - timestamp(likewise_signal{%(selector_and)sof="workers"}), "metric", "age_s", "", "")
"""
_FLUSHERS = """
  label_replace(sum by (%(pod)s) (likewise_pending_likes{%(selector)s}), "metric", "pending", "", "")
  or label_replace(max by (%(pod)s) (likewise_oldest_pending_seconds{%(selector)s}), "metric", "age_s", "", "")
  or label_replace(
    sum by (%(pod)s) (rate(likewise_flush_likes_sum{%(selector)s}[1m])), "metric", "stored_per_s", "", ""
  )
  or label_replace(
    max by (%(pod)s) (time() - timestamp(likewise_pending_likes{%(selector)s})), "metric", "report_age_s", "", ""
  )
"""
_POD_FIGURES = frozenset({*FIGURES, "workers", "ready_s", "age_s"})
_FLUSHER_FIGURES = frozenset({"pending", "age_s", "report_age_s"})
FiguresByPod = dict[str, dict[str, float]]


class PrometheusSource:
    """A Prometheus server; see `autoscaler.signals.signals.SignalSource`.

    `pod_label` is the label that names a series' pod. `selector` limits the series, and may be empty.
    """

    def __init__(self, url: str, *, selector: str, pod_label: str, timeout_s: float) -> None:
        self._url = url.rstrip("/") + "/api/v1/query?"
        self._pod_label, self._timeout_s = pod_label, timeout_s
        selector_and = selector + "," if selector else ""
        words = {"pod": pod_label, "selector": selector, "selector_and": selector_and}
        self._pods, self._flushers = _PODS % words, _FLUSHERS % words

    def read(self, now: float) -> Signals:
        """See `SignalSource`."""
        pods, flushers = self._figures(self._pods), self._figures(self._flushers)
        samples = tuple(
            _sample(pod, figures, now) for pod, figures in sorted(pods.items()) if figures.keys() >= _POD_FIGURES
        )
        return Signals(samples, (), _backlog(flushers.values(), now))

    def close(self) -> None:
        """Do nothing: no socket stays open. See `SignalSource`."""

    def _figures(self, expression: str) -> FiguresByPod:
        found: FiguresByPod = defaultdict(dict)
        for series in self._query(expression):
            labels = series["metric"]
            metric = labels.get("metric") or labels.get("of")
            if self._pod_label in labels and metric:
                found[labels[self._pod_label]][metric] = float(series["value"][1])
        return found

    def _query(self, expression: str) -> Any:
        url = self._url + urllib.parse.urlencode({"query": expression})
        try:
            # The settings accept http and https only.
            with urllib.request.urlopen(url, timeout=self._timeout_s) as answer:  # noqa: S310
                return json.loads(answer.read())["data"]["result"]
        except urllib.error.HTTPError as error:
            with error:
                raise SignalsUnavailableError(f"Prometheus refuses: {error} {error.read(300)!r}") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SignalsUnavailableError(f"Prometheus does not answer: {error}") from error


def _sample(pod: str, figures: dict[str, float], now: float) -> PodSample:
    return PodSample(
        pod=pod,
        at=now - figures["age_s"],
        arrivals=figures["arrivals"],
        accepted=figures["accepted"],
        busy=figures["busy"] / max(1.0, figures["workers"]),
        queue=figures["queue"],
        in_flight=figures["in_flight"],
        ready_s=figures["ready_s"],
    )


def _backlog(flushers: Iterable[dict[str, float]], now: float) -> Backlog | None:
    complete = [figures for figures in flushers if figures.keys() >= _FLUSHER_FIGURES]
    if not complete:
        return None

    def over_all(name: str, choose: Callable[[Iterable[float]], float]) -> float:
        return choose(figures.get(name, 0.0) for figures in complete)

    # Every flusher sees all streams, so the largest backlog counts.
    return Backlog(
        at=now - over_all("report_age_s", min),
        pending=over_all("pending", max),
        age_s=over_all("age_s", max),
        stored_per_s=over_all("stored_per_s", sum),
    )
