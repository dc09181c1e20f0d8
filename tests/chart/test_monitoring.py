"""Tests of the chart's monitoring: scraping, alerts and the dashboard."""

import json
from typing import Any

import pytest
import yaml

from tests.support.kubernetes.chart import CHART, Object, find_object, render


def test_monitoring_is_disabled_by_default() -> None:
    assert not {one["kind"] for one in render()} & {"ServiceMonitor", "PrometheusRule"}


def test_each_component_has_a_service_for_prometheus() -> None:
    objects = render(**{"metrics.serviceMonitor.enabled": True, "metrics.serviceMonitor.labels.release": "prometheus"})
    monitor = find_object(objects, "ServiceMonitor", "likewise")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["endpoints"] == [{"port": "metrics", "interval": "15s"}]
    selector = monitor["spec"]["selector"]["matchLabels"].items()
    services = [one for one in objects if one["kind"] == "Service" and selector <= one["metadata"]["labels"].items()]
    assert {one["metadata"]["name"] for one in services} == {
        f"likewise-{component}-metrics" for component in ("api", "flusher", "autoscaler")
    }
    for service in services:
        assert (service["spec"]["clusterIP"], service["spec"]["publishNotReadyAddresses"]) == ("None", True)
        [deployment] = [one for one in objects if one["kind"] == "Deployment" and matches(service, one)]
        ports = {port["name"] for port in deployment["spec"]["template"]["spec"]["containers"][0]["ports"]}
        assert service["spec"]["ports"][0]["targetPort"] in ports


def matches(service: dict[str, dict[str, dict[str, str]]], deployment: dict[str, object]) -> bool:
    labels = deployment["spec"]["template"]["metadata"]["labels"]  # type: ignore[index]
    return bool(service["spec"]["selector"].items() <= labels.items())


@pytest.mark.parametrize("enabled", [True, False])
def test_the_rule_has_the_alerts_of_the_file(enabled: bool) -> None:
    rules = [one for one in render(**{"metrics.prometheusRule.enabled": enabled}) if one["kind"] == "PrometheusRule"]
    groups = yaml.safe_load((CHART / "files/alerts.yaml").read_text())
    assert [one["spec"] for one in rules] == ([groups] if enabled else [])


@pytest.mark.parametrize("url", ["https://git.example/likewise/blob/main", "https://git.example/likewise/blob/main/"])
def test_the_runbook_url_prefixes_existing_pages(url: str) -> None:
    values = {"metrics.prometheusRule.enabled": True, "metrics.prometheusRule.runbookUrl": url}
    rules = [rule for one in groups_of(render(**values)) for rule in one["rules"]]
    for rule, original in zip(rules, rules_of_the_file(), strict=True):
        path = original["annotations"]["runbook_url"]
        assert (CHART.parents[1] / path).is_file()
        annotations = original["annotations"] | {"runbook_url": f"https://git.example/likewise/blob/main/{path}"}
        assert rule == original | {"annotations": annotations}


def groups_of(objects: list[Object]) -> Any:
    return find_object(objects, "PrometheusRule", "likewise")["spec"]["groups"]


def rules_of_the_file() -> list[Any]:
    groups = yaml.safe_load((CHART / "files/alerts.yaml").read_text())["groups"]
    return [rule for one in groups for rule in one["rules"]]


def test_the_dashboard_is_rendered_from_its_file() -> None:
    config = find_object(render(**{"metrics.dashboard.enabled": True}), "ConfigMap", "likewise-dashboard")
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(config["data"]["likewise.json"]) == json.loads((CHART / "files/dashboard.json").read_text())


def test_tracing_settings() -> None:
    without = find_object(render(), "ConfigMap", "likewise")["data"]
    assert "LIKEWISE_TRACE_ENDPOINT" not in without
    values = {"tracing.endpoint": "http://otel:4318", "tracing.sampleRatio": 0.5}
    with_endpoint = find_object(render(**values), "ConfigMap", "likewise")["data"]
    assert with_endpoint == {**without, "LIKEWISE_TRACE_ENDPOINT": "http://otel:4318", "LIKEWISE_TRACE_RATIO": "0.5"}
