"""Reading of Prometheus' series, from pods of this release and of the one before."""

from typing import Any

import pytest

from autoscaler.signals.prometheus import PrometheusSource

FIGURES = {
    "arrivals": 90.0,
    "accepted": 80.0,
    "busy": 0.5,
    "queue": 3.0,
    "in_flight": 4.0,
    "workers": 1.0,
    "ready_s": 60.0,
    "age_s": 2.0,
}


def series(pod: str, label: str, names: dict[str, float]) -> list[dict[str, Any]]:
    """Return the series of a pod, with the names of figures in `label`, as Prometheus' API returns them."""
    return [{"metric": {"pod": pod, label: name}, "value": [0, str(value)]} for name, value in names.items()]


@pytest.mark.parametrize("label", ["metric", "of"])
def test_pods_of_both_releases_are_read(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = PrometheusSource("http://prometheus:9090", selector="", pod_label="pod", timeout_s=1)
    found = series("a", label, FIGURES)
    monkeypatch.setattr(source, "_query", lambda expression: found if "likewise_signal" in expression else [])
    (pod,) = source.read(1_000.0).pods
    assert (pod.pod, pod.at, pod.arrivals, pod.busy, pod.ready_s) == ("a", 998.0, 90.0, 0.5, 60.0)


def test_a_derived_series_of_the_earlier_release_has_both_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    source = PrometheusSource("http://prometheus:9090", selector="", pod_label="pod", timeout_s=1)
    found = series("a", "of", {name: value for name, value in FIGURES.items() if name != "age_s"})
    found.append({"metric": {"pod": "a", "of": "workers", "metric": "age_s"}, "value": [0, "2"]})
    monkeypatch.setattr(source, "_query", lambda expression: found if "likewise_signal" in expression else [])
    (pod,) = source.read(1_000.0).pods
    assert (pod.at, pod.busy) == (998.0, 0.5)
