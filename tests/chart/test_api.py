"""The API of the chart: its pods, how they scale and go, and how requests reach them."""

import subprocess
import sys
from typing import Any

import pytest

from tests.support.chart import Object, named, of_component, pod, render

NAME = "likewise-api"
DOWN = "hpa.behavior.scaleDown"


def deployment(**values: object) -> Object:
    return named(render(**values), "Deployment", NAME)


def container(**values: object) -> Any:
    [only] = pod(deployment(**values))["containers"]
    return only


def test_the_hpa_alone_says_how_many_pods_there_are() -> None:
    objects = render(**{"autoscaler.enabled": False})
    assert "replicas" not in named(objects, "Deployment", NAME)["spec"]
    hpa = named(objects, "HorizontalPodAutoscaler", NAME)["spec"]
    assert hpa["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}
    assert (hpa["minReplicas"], hpa["maxReplicas"]) == (2, 10)
    assert hpa["behavior"]["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert hpa["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 300
    assert hpa["behavior"]["scaleDown"]["selectPolicy"] == "Min"


@pytest.mark.parametrize(("asked", "window_s"), [({}, 30), ({f"{DOWN}.stabilizationWindowSeconds": 90}, 90)])
def test_beside_the_autoscaler_the_hpa_holds_nothing_twice(asked: dict[str, object], window_s: int) -> None:
    down = named(render(**asked), "HorizontalPodAutoscaler", NAME)["spec"]["behavior"]["scaleDown"]
    assert down["stabilizationWindowSeconds"] == window_s
    assert down["policies"] == [{"type": "Percent", "value": 100, "periodSeconds": 15}]


@pytest.mark.parametrize(
    ("asked", "target"),
    [
        ({}, {"type": "AverageValue", "averageValue": "800m"}),
        ({"api.workers": 2}, {"type": "AverageValue", "averageValue": "1600m"}),
        ({"autoscaler.settings.target_utilization": 0.6}, {"type": "AverageValue", "averageValue": "700m"}),
        ({"autoscaler.enabled": False}, {"type": "Utilization", "averageUtilization": 60}),
        ({"hpa.targetCPUUtilizationPercentage": 120}, {"type": "Utilization", "averageUtilization": 120}),
    ],
)
def test_the_hpa_adds_to_what_the_autoscaler_keeps(asked: dict[str, object], target: dict[str, object]) -> None:
    [cpu] = named(render(**asked), "HorizontalPodAutoscaler", NAME)["spec"]["metrics"]
    assert cpu["resource"]["target"] == target


@pytest.mark.parametrize(("asked", "given"), [({}, 2), ({"replicas": 5}, 5), ({"replicas": 0}, 0)])
def test_without_an_hpa_the_deployment_does(asked: dict[str, object], given: int) -> None:
    objects = render(**{"hpa.enabled": False, "autoscaler.enabled": False, **asked})
    assert named(objects, "Deployment", NAME)["spec"]["replicas"] == given
    assert not [one for one in objects if one["kind"] == "HorizontalPodAutoscaler"]


def test_requests_of_a_pod_scale_too_where_asked() -> None:
    hpa = named(render(**{"hpa.requestsPerPod.enabled": True}), "HorizontalPodAutoscaler", NAME)
    cpu, requests = hpa["spec"]["metrics"]
    assert cpu["resource"]["name"] == "cpu"
    assert requests["pods"] == {
        "metric": {"name": "likewise_requests_per_second"},
        "target": {"type": "AverageValue", "averageValue": "1000"},
    }


def test_a_pod_is_gone_from_proxies_before_it_is_told_to_stop_and_has_time_to_finish() -> None:
    spec = pod(deployment())
    sleeps = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert sleeps == 10
    assert spec["terminationGracePeriodSeconds"] > sleeps + graceful_timeout_s()


def graceful_timeout_s() -> int:
    """gunicorn's, by a process of its own: who imports its settings keeps metrics where they say from then on."""
    program = "from service.server.gunicorn_conf import graceful_timeout; print(graceful_timeout)"
    return int(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


def test_only_readiness_asks_for_redis() -> None:
    probes = container()
    assert probes["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    for probe in ("startupProbe", "livenessProbe"):
        assert probes[probe]["httpGet"] == {"path": "/livez", "port": "http"}


def test_a_rolling_update_takes_no_pod_away_before_another_is_ready() -> None:
    assert deployment()["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": 0}


def test_changed_settings_roll_the_pods_and_nothing_else_does() -> None:
    def checksum(**values: object) -> str:
        return str(deployment(**values)["spec"]["template"]["metadata"]["annotations"]["checksum/config"])

    assert checksum() == checksum(**{"hpa.maxReplicas": 12})
    assert len({checksum(), checksum(**{"settings.ack": "replicated"}), checksum(**{"metrics.port": 9200})}) == 3


def test_pods_of_the_component_are_spread_over_zones_and_nodes() -> None:
    spec = pod(deployment())
    labels = deployment()["spec"]["selector"]["matchLabels"]
    assert {one["topologyKey"] for one in spec["topologySpreadConstraints"]} == {
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    }
    assert all(one["labelSelector"]["matchLabels"] == labels for one in spec["topologySpreadConstraints"])


def test_a_drained_node_takes_a_quarter_of_the_pods_at_most() -> None:
    budget = named(render(), "PodDisruptionBudget", NAME)["spec"]
    assert budget["maxUnavailable"] == "25%"
    assert budget["selector"] == {"matchLabels": deployment()["spec"]["selector"]["matchLabels"]}


def test_the_service_and_the_ingress_lead_to_the_api_and_never_to_its_metrics() -> None:
    objects = render()
    service = named(objects, "Service", "likewise")["spec"]
    assert service["ports"] == [{"name": "http", "port": 80, "targetPort": "http"}]
    assert service["selector"] == deployment()["spec"]["selector"]["matchLabels"]
    [rule] = named(objects, "Ingress", "likewise")["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert path["backend"] == {"service": {"name": "likewise", "port": {"name": "http"}}}
    assert {port["name"]: port["containerPort"] for port in container()["ports"]} == {"http": 8000, "metrics": 9100}


def test_the_ingress_balances_by_load_and_bounds_bodies_and_rates() -> None:
    notes = named(render(), "Ingress", "likewise")["metadata"]["annotations"]
    for prefix, expected in {
        "nginx.ingress.kubernetes.io": {"load-balance": "ewma", "proxy-body-size": "16k", "limit-rps": "100"},
        "nginx.org": {"lb-method": "least_conn", "client-max-body-size": "16k", "limit-req-rate": "100r/s"},
    }.items():
        assert (
            expected.items() <= {name.partition("/")[2]: text for name, text in notes.items() if prefix in name}.items()
        )
    mine = named(render(**{r"ingress.annotations.a\.b/c": "d"}), "Ingress", "likewise")["metadata"]["annotations"]
    assert mine == {**notes, "a.b/c": "d"}


def test_the_ingress_has_a_host_and_a_certificate_where_given() -> None:
    values = {
        "ingress.host": "likes.example",
        "ingress.className": "public",
        "ingress.tls.enabled": True,
        "ingress.tls.secretName": "c",
    }
    spec = named(render(**values), "Ingress", "likewise")["spec"]
    assert spec["ingressClassName"] == "public"
    assert spec["tls"] == [{"secretName": "c", "hosts": ["likes.example"]}]
    assert [rule["host"] for rule in spec["rules"]] == ["likes.example"]
    assert not [one for one in render(**{"ingress.enabled": False}) if one["kind"] == "Ingress"]


def test_a_gateway_routes_where_asked() -> None:
    values = {
        "httpRoute.enabled": True,
        "httpRoute.parentRefs[0].name": "public",
        "httpRoute.hostnames[0]": "a.example",
    }
    spec = named(render(**values), "HTTPRoute", "likewise")["spec"]
    assert spec["parentRefs"] == [{"name": "public"}]
    assert spec["hostnames"] == ["a.example"]
    assert spec["rules"][0]["backendRefs"] == [{"name": "likewise", "port": 80}]


def test_each_setting_is_an_environment_variable_in_whole_digits() -> None:
    values = {"settings.queue_bytes": 268435456, "settings.sites": "{https://a.example,https://b.example}"}
    data = named(render(**values), "ConfigMap", "likewise")["data"]
    assert data["LIKEWISE_QUEUE_BYTES"] == "268435456"
    data = named(
        render("--set-json", 'settings.sites=["https://a.example","https://b.example"]'), "ConfigMap", "likewise"
    )
    assert data["data"]["LIKEWISE_SITES"] == "https://a.example,https://b.example"


def test_the_api_alone_gets_the_secrets_that_sign() -> None:
    def named_in(component: str) -> set[str]:
        specs = [pod(one) for one in of_component(render(), component) if one["kind"] in ("Deployment", "Job")]
        return {env["name"] for spec in specs for one in spec["containers"] for env in one.get("env", [])}

    signing = {"LIKEWISE_SECRET", "LIKEWISE_PREVIOUS_SECRET", "LIKEWISE_API_KEYS", "LIKEWISE_JWT_KEYS"}
    assert signing <= named_in("api")
    assert not signing & (named_in("flusher") | named_in("migration"))
