"""Tests of the chart's API: pods, scaling, shutdown and routing."""

import subprocess
import sys
from typing import Any

import pytest

from tests.support.kubernetes.chart import Object, find_object, of_component, pod_spec, render

NAME = "likewise-api"
DOWN = "hpa.behavior.scaleDown"


def deployment(**values: object) -> Object:
    return find_object(render(**values), "Deployment", NAME)


def container(**values: object) -> Any:
    [found] = pod_spec(deployment(**values))["containers"]
    return found


def test_without_the_autoscaler_the_hpa_controls_the_number_of_pods() -> None:
    objects = render(**{"autoscaler.enabled": False})
    assert "replicas" not in find_object(objects, "Deployment", NAME)["spec"]
    hpa = find_object(objects, "HorizontalPodAutoscaler", NAME)["spec"]
    assert hpa["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}
    assert (hpa["minReplicas"], hpa["maxReplicas"]) == (2, 10)
    assert hpa["behavior"]["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert hpa["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 300
    assert hpa["behavior"]["scaleDown"]["selectPolicy"] == "Min"


@pytest.mark.parametrize(("values", "window_s"), [({}, 30), ({f"{DOWN}.stabilizationWindowSeconds": 90}, 90)])
def test_with_the_autoscaler_the_hpa_scales_down_quickly(values: dict[str, object], window_s: int) -> None:
    down = find_object(render(**values), "HorizontalPodAutoscaler", NAME)["spec"]["behavior"]["scaleDown"]
    assert down["stabilizationWindowSeconds"] == window_s
    assert down["policies"] == [{"type": "Percent", "value": 100, "periodSeconds": 15}]


@pytest.mark.parametrize(
    ("values", "target"),
    [
        ({}, {"type": "AverageValue", "averageValue": "800m"}),
        ({"api.workers": 2}, {"type": "AverageValue", "averageValue": "1600m"}),
        ({"autoscaler.settings.target_utilization": 0.6}, {"type": "AverageValue", "averageValue": "700m"}),
        ({"autoscaler.settings.target_utilisation": 0.6}, {"type": "AverageValue", "averageValue": "700m"}),
        ({"autoscaler.enabled": False}, {"type": "Utilization", "averageUtilization": 60}),
        ({"hpa.targetCPUUtilizationPercentage": 120}, {"type": "Utilization", "averageUtilization": 120}),
    ],
)
def test_cpu_target_of_the_hpa(values: dict[str, object], target: dict[str, object]) -> None:
    [cpu] = find_object(render(**values), "HorizontalPodAutoscaler", NAME)["spec"]["metrics"]
    assert cpu["resource"]["target"] == target


@pytest.mark.parametrize(("values", "replicas"), [({}, 2), ({"replicas": 5}, 5), ({"replicas": 0}, 0)])
def test_without_hpa_and_autoscaler_the_deployment_has_fixed_replicas(values: dict[str, object], replicas: int) -> None:
    objects = render(**{"hpa.enabled": False, "autoscaler.enabled": False, **values})
    assert find_object(objects, "Deployment", NAME)["spec"]["replicas"] == replicas
    assert not [one for one in objects if one["kind"] == "HorizontalPodAutoscaler"]


def test_hpa_can_scale_by_requests_per_pod() -> None:
    hpa = find_object(render(**{"hpa.requestsPerPod.enabled": True}), "HorizontalPodAutoscaler", NAME)
    cpu, requests = hpa["spec"]["metrics"]
    assert cpu["resource"]["name"] == "cpu"
    assert requests["pods"] == {
        "metric": {"name": "likewise_requests_per_second"},
        "target": {"type": "AverageValue", "averageValue": "1000"},
    }


def test_a_pod_leaves_the_endpoints_before_sigterm_and_has_time_to_finish() -> None:
    spec = pod_spec(deployment())
    sleep_s = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert sleep_s == 10
    assert spec["terminationGracePeriodSeconds"] > sleep_s + gunicorn_graceful_timeout_s()


def gunicorn_graceful_timeout_s() -> int:
    """Return gunicorn's graceful timeout.

    Run in a subprocess, because importing gunicorn_conf changes where this process keeps its metrics.
    """
    program = "from service.server.gunicorn_conf import graceful_timeout; print(graceful_timeout)"
    return int(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


def test_only_the_readiness_probe_depends_on_redis() -> None:
    probes = container()
    assert probes["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    for probe in ("startupProbe", "livenessProbe"):
        assert probes[probe]["httpGet"] == {"path": "/livez", "port": "http"}


def test_a_rolling_update_removes_no_pod_before_another_is_ready() -> None:
    assert deployment()["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": 0}


def test_only_changed_settings_restart_the_pods() -> None:
    def checksum(**values: object) -> str:
        return str(deployment(**values)["spec"]["template"]["metadata"]["annotations"]["checksum/config"])

    assert checksum() == checksum(**{"hpa.maxReplicas": 12})
    assert len({checksum(), checksum(**{"settings.ack": "replicated"}), checksum(**{"metrics.port": 9200})}) == 3


def test_pods_are_spread_over_zones_and_nodes() -> None:
    spec = pod_spec(deployment())
    labels = deployment()["spec"]["selector"]["matchLabels"]
    assert {one["topologyKey"] for one in spec["topologySpreadConstraints"]} == {
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    }
    assert all(one["labelSelector"]["matchLabels"] == labels for one in spec["topologySpreadConstraints"])


def test_a_drain_evicts_at_most_a_quarter_of_the_pods() -> None:
    budget = find_object(render(), "PodDisruptionBudget", NAME)["spec"]
    assert budget["maxUnavailable"] == "25%"
    assert budget["selector"] == {"matchLabels": deployment()["spec"]["selector"]["matchLabels"]}


def test_service_and_ingress_expose_the_api_but_not_its_metrics() -> None:
    objects = render()
    service = find_object(objects, "Service", "likewise")["spec"]
    assert service["ports"] == [{"name": "http", "port": 80, "targetPort": "http"}]
    assert service["selector"] == deployment()["spec"]["selector"]["matchLabels"]
    [rule] = find_object(objects, "Ingress", "likewise")["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert path["backend"] == {"service": {"name": "likewise", "port": {"name": "http"}}}
    assert {port["name"]: port["containerPort"] for port in container()["ports"]} == {"http": 8000, "metrics": 9100}


def test_pods_listen_on_ipv6_and_ipv4() -> None:
    assert container()["command"] == ["likewise", "api", "--bind", "[::]:8000"]
    assert find_object(render(), "ConfigMap", "likewise")["data"]["LIKEWISE_METRICS_HOST"] == "[::]"


def test_the_ingress_keeps_connections_to_pods_and_retries_only_lost_ones() -> None:
    annotations = find_object(render(), "Ingress", "likewise")["metadata"]["annotations"]
    # ingress-nginx keeps connections by the ConfigMap of its controller.
    assert annotations["nginx.org/keepalive"] == "128"
    for prefix in ("nginx.org", "nginx.ingress.kubernetes.io"):
        assert annotations[f"{prefix}/proxy-next-upstream"] == "error"
        assert annotations[f"{prefix}/proxy-next-upstream-tries"] == "2"


def test_the_ingress_balances_by_load_and_limits_bodies_and_rates() -> None:
    annotations = find_object(render(), "Ingress", "likewise")["metadata"]["annotations"]
    for prefix, expected in {
        "nginx.ingress.kubernetes.io": {"load-balance": "ewma", "proxy-body-size": "16k", "limit-rps": "100"},
        "nginx.org": {"lb-method": "least_conn", "client-max-body-size": "16k", "limit-req-rate": "100r/s"},
    }.items():
        assert (
            expected.items()
            <= {name.partition("/")[2]: text for name, text in annotations.items() if prefix in name}.items()
        )
    with_own = find_object(render(**{r"ingress.annotations.a\.b/c": "d"}), "Ingress", "likewise")["metadata"][
        "annotations"
    ]
    assert with_own == {**annotations, "a.b/c": "d"}


def test_ingress_host_and_tls() -> None:
    values = {
        "ingress.host": "likes.example",
        "ingress.className": "public",
        "ingress.tls.enabled": True,
        "ingress.tls.secretName": "c",
    }
    spec = find_object(render(**values), "Ingress", "likewise")["spec"]
    assert spec["ingressClassName"] == "public"
    assert spec["tls"] == [{"secretName": "c", "hosts": ["likes.example"]}]
    assert [rule["host"] for rule in spec["rules"]] == ["likes.example"]
    assert not [one for one in render(**{"ingress.enabled": False}) if one["kind"] == "Ingress"]


def test_http_route() -> None:
    values = {
        "httpRoute.enabled": True,
        "httpRoute.parentRefs[0].name": "public",
        "httpRoute.hostnames[0]": "a.example",
    }
    spec = find_object(render(**values), "HTTPRoute", "likewise")["spec"]
    assert spec["parentRefs"] == [{"name": "public"}]
    assert spec["hostnames"] == ["a.example"]
    assert spec["rules"][0]["backendRefs"] == [{"name": "likewise", "port": 80}]


def test_settings_become_environment_variables_without_exponents() -> None:
    values = {"settings.queue_bytes": 268435456, "settings.sites": "{https://a.example,https://b.example}"}
    data = find_object(render(**values), "ConfigMap", "likewise")["data"]
    assert data["LIKEWISE_QUEUE_BYTES"] == "268435456"
    data = find_object(
        render("--set-json", 'settings.sites=["https://a.example","https://b.example"]'), "ConfigMap", "likewise"
    )
    assert data["data"]["LIKEWISE_SITES"] == "https://a.example,https://b.example"


def test_only_the_api_gets_signing_secrets() -> None:
    def variables_of(component: str) -> set[str]:
        specs = [pod_spec(one) for one in of_component(render(), component) if one["kind"] in ("Deployment", "Job")]
        return {env["name"] for spec in specs for one in spec["containers"] for env in one.get("env", [])}

    signing = {"LIKEWISE_SECRET", "LIKEWISE_PREVIOUS_SECRET", "LIKEWISE_API_KEYS", "LIKEWISE_JWT_KEYS"}
    assert signing <= variables_of("api")
    assert not signing & (variables_of("flusher") | variables_of("migration"))
