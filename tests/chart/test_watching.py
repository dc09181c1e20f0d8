"""Monitoring of the chart, off by default: who scrapes what, alerts and the dashboard as files/ has them."""

import json
from typing import Any

import pytest
import yaml

from tests.support.chart import CHART, Object, named, render


def test_it_is_off_by_default() -> None:
    assert not {one["kind"] for one in render()} & {"ServiceMonitor", "PrometheusRule"}


def test_each_component_has_a_service_that_only_prometheus_needs() -> None:
    objects = render(**{"metrics.serviceMonitor.enabled": True, "metrics.serviceMonitor.labels.release": "prometheus"})
    monitor = named(objects, "ServiceMonitor", "likewise")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["endpoints"] == [{"port": "metrics", "interval": "15s"}]
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    chosen = [one for one in objects if one["kind"] == "Service" and wanted <= one["metadata"]["labels"].items()]
    assert {one["metadata"]["name"] for one in chosen} == {
        f"likewise-{component}-metrics" for component in ("api", "flusher", "autoscaler")
    }
    for service in chosen:
        assert (service["spec"]["clusterIP"], service["spec"]["publishNotReadyAddresses"]) == ("None", True)
        [deployment] = [one for one in objects if one["kind"] == "Deployment" and matches(service, one)]
        ports = {port["name"] for port in deployment["spec"]["template"]["spec"]["containers"][0]["ports"]}
        assert service["spec"]["ports"][0]["targetPort"] in ports


def matches(service: dict[str, dict[str, dict[str, str]]], deployment: dict[str, object]) -> bool:
    labels = deployment["spec"]["template"]["metadata"]["labels"]  # type: ignore[index]
    return bool(service["spec"]["selector"].items() <= labels.items())


@pytest.mark.parametrize("value", [True, False])
def test_alerts_are_those_of_the_file(value: bool) -> None:
    rules = [one for one in render(**{"metrics.prometheusRule.enabled": value}) if one["kind"] == "PrometheusRule"]
    groups = yaml.safe_load((CHART / "files/alerts.yaml").read_text())
    assert [one["spec"] for one in rules] == ([groups] if value else [])


@pytest.mark.parametrize("root", ["https://git.example/likewise/blob/main", "https://git.example/likewise/blob/main/"])
def test_runbooks_are_found_where_they_are_said_to_be(root: str) -> None:
    values = {"metrics.prometheusRule.enabled": True, "metrics.prometheusRule.runbookUrl": root}
    rules = [rule for one in of_alerts(render(**values)) for rule in one["rules"]]
    for rule, plain in zip(rules, in_file(), strict=True):
        path = plain["annotations"]["runbook_url"]
        assert (CHART.parents[1] / path).is_file()
        said = plain["annotations"] | {"runbook_url": f"https://git.example/likewise/blob/main/{path}"}
        assert rule == plain | {"annotations": said}


def of_alerts(objects: list[Object]) -> Any:
    return named(objects, "PrometheusRule", "likewise")["spec"]["groups"]


def in_file() -> list[Any]:
    groups = yaml.safe_load((CHART / "files/alerts.yaml").read_text())["groups"]
    return [rule for one in groups for rule in one["rules"]]


def test_the_dashboard_is_the_file() -> None:
    config = named(render(**{"metrics.dashboard.enabled": True}), "ConfigMap", "likewise-dashboard")
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(config["data"]["likewise.json"]) == json.loads((CHART / "files/dashboard.json").read_text())


def test_traces_go_where_asked() -> None:
    off = named(render(), "ConfigMap", "likewise")["data"]
    assert "LIKEWISE_TRACE_ENDPOINT" not in off
    values = {"tracing.endpoint": "http://otel:4318", "tracing.sampleRatio": 0.5}
    on = named(render(**values), "ConfigMap", "likewise")["data"]
    assert on == {**off, "LIKEWISE_TRACE_ENDPOINT": "http://otel:4318", "LIKEWISE_TRACE_RATIO": "0.5"}
