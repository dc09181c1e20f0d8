"""Prometheus as the source of signals: as old as its last scrape, and it knows no posts."""

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

_PODS = """
  likewise_signal{%(chosen)s}
  or label_replace(likewise_signal_ready_seconds{%(chosen)s}, "metric", "ready_s", "", "")
  or label_replace(time() - timestamp(likewise_signal{%(with_chosen)smetric="workers"}), "metric", "age_s", "", "")
  or label_replace(time() - timestamp(likewise_signal{%(with_chosen)sof="workers"}), "metric", "age_s", "", "")
"""
_FLUSHERS = """
  label_replace(sum by (%(pod)s) (likewise_pending_likes{%(chosen)s}), "metric", "pending", "", "")
  or label_replace(max by (%(pod)s) (likewise_oldest_pending_seconds{%(chosen)s}), "metric", "age_s", "", "")
  or label_replace(sum by (%(pod)s) (rate(likewise_flush_likes_sum{%(chosen)s}[1m])), "metric", "settled", "", "")
  or label_replace(
    max by (%(pod)s) (time() - timestamp(likewise_pending_likes{%(chosen)s})), "metric", "told_s", "", ""
  )
"""
_FIGURES = ("arrivals", "accepted", "busy", "queue", "in_flight", "workers", "ready_s", "age_s")
Figures = dict[str, dict[str, float]]


class PrometheusSource:
    """See `autoscaler.signals.signals.Source`. `pod_label` names a pod's series, `selector` which series are meant."""

    def __init__(self, url: str, *, selector: str, pod_label: str, timeout_s: float) -> None:
        self._url = url.rstrip("/") + "/api/v1/query?"
        self._pod, self._timeout_s = pod_label, timeout_s
        with_chosen = selector + "," if selector else ""
        words = {"pod": pod_label, "chosen": selector, "with_chosen": with_chosen}
        self._pods, self._flushers = _PODS % words, _FLUSHERS % words

    def read(self, now: float) -> Signals:
        """See `Source`."""
        pods, flushers = self._figures(self._pods), self._figures(self._flushers)
        samples = (
            _sample(pod, figures, now) for pod, figures in sorted(pods.items()) if figures.keys() >= set(_FIGURES)
        )
        return Signals(tuple(samples), (), _backlog(flushers.values(), now))

    def close(self) -> None:
        """See `Source`: no socket is kept."""

    def _figures(self, expression: str) -> Figures:
        found: Figures = defaultdict(dict)
        for one in self._ask(expression):
            labels = one["metric"]
            # Pods of the release before this one call the label `of`.
            metric = labels.get("metric") or labels.get("of")
            if self._pod in labels and metric:
                found[labels[self._pod]][metric] = float(one["value"][1])
        return found

    def _ask(self, expression: str) -> Any:
        url = self._url + urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(url, timeout=self._timeout_s) as answer:  # noqa: S310 - http(s), see settings
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
    whole = [figures for figures in flushers if figures.keys() >= {"pending", "age_s", "told_s"}]
    if not whole:
        return None

    def of(name: str, choose: Callable[[Iterable[float]], float]) -> float:
        return choose(figures.get(name, 0.0) for figures in whole)

    return Backlog(now - of("told_s", min), of("pending", max), of("age_s", max), of("settled", sum))
