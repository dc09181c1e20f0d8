"""A real Prometheus that scrapes real pods and a flusher, as the autoscaler's source of signals."""

from collections.abc import Iterator

import pytest

from autoscaler.errors import SignalsUnavailableError
from autoscaler.signals.prometheus import PrometheusSource
from autoscaler.signals.signals import Signals
from tests.support.stack.monitored_stack import MonitoredStack, run_monitored_stack
from tests.support.waiting import wait_for

pytestmark = pytest.mark.requires("prometheus")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MonitoredStack]:
    with run_monitored_stack(tmp_path_factory.mktemp("autoscaler")) as running:
        yield running


def source(stack: MonitoredStack, selector: str = "") -> PrometheusSource:
    url = stack.prometheus._url.removesuffix("/api/v1/")
    return PrometheusSource(url, selector=selector, pod_label="instance", timeout_s=5)


def test_pods_and_backlog_are_read_with_their_age(stack):
    found: list[Signals] = []

    def all_series_are_read() -> bool:
        found[:] = [source(stack).read(1_000.0)]
        pods = found[0].pods
        # In its first second a pod has requests that it has not served yet.
        served = len(pods) == 2 and min(min(pod.arrivals - 1, pod.accepted) for pod in pods) > 0
        return served and found[0].backlog is not None

    wait_for(all_series_are_read, 60, every_s=0.2)
    signals = found[0]
    for pod in signals.pods:
        assert 990 < pod.at <= 1_000
        assert 0 < pod.accepted <= pod.arrivals + 50
        assert 0 <= pod.busy <= 1
        assert pod.ready_s > 0
    assert signals.backlog
    assert signals.backlog.pending >= 0
    wait_for(lambda: (backlog := source(stack).read(1_000.0).backlog) and backlog.stored_per_s > 0, 30, every_s=0.2)


def test_a_selector_chooses_series(stack):
    assert source(stack, 'job="nothing"').read(1_000.0) == Signals()


def test_refusals_and_outages_are_reported_in_one_sentence(stack):
    with pytest.raises(SignalsUnavailableError, match="Prometheus refuses: HTTP Error 400"):
        source(stack, "job=").read(0)
    away = PrometheusSource("http://127.0.0.1:1", selector="", pod_label="pod", timeout_s=1)
    with pytest.raises(SignalsUnavailableError, match="Prometheus does not answer"):
        away.read(0)
