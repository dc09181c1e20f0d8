"""Tests of the chart's Redis Cluster: objects, addresses and credentials, and refused values."""

import base64
from typing import Any

import pytest

from tests.support.kubernetes.chart import RefusedError, environment, find_object, of_component, pod_spec, render

NAME = "likewise-redis"
EXTERNAL = {"redis.enabled": False, "redis.external.urls[0]": "redis://r0.example:6379"}
EXTERNAL_TLS = {"redis.enabled": False, "redis.external.urls[0]": "rediss://r0.example:6379"}


def test_six_nodes_find_each_other_before_they_are_ready() -> None:
    objects = render()
    redis = find_object(objects, "StatefulSet", NAME)
    assert (redis["spec"]["replicas"], redis["spec"]["podManagementPolicy"]) == (6, "Parallel")
    service = find_object(objects, "Service", NAME)
    assert redis["spec"]["serviceName"] == NAME
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert find_object(objects, "PodDisruptionBudget", NAME)["spec"]["maxUnavailable"] == 1


def test_the_join_job_is_not_a_hook_and_its_name_depends_on_its_spec() -> None:
    def job(**values: object) -> Any:
        [found] = [one for one in of_component(render(**values), "redis-join") if one["kind"] == "Job"]
        return found

    assert "helm.sh/hook" not in job()["metadata"].get("annotations", {})
    assert job()["metadata"]["name"] == job()["metadata"]["name"]
    assert job()["metadata"]["name"] != job(**{"redis.image.tag": "8.1.4"})["metadata"]["name"]


def test_service_and_budget_do_not_select_the_join_job() -> None:
    objects = render()
    [job] = [one for one in of_component(objects, "redis-join") if one["kind"] == "Job"]
    labels = job["spec"]["template"]["metadata"]["labels"]
    for selector in (
        find_object(objects, "Service", NAME)["spec"]["selector"],
        find_object(objects, "PodDisruptionBudget", NAME)["spec"]["selector"]["matchLabels"],
    ):
        assert not selector.items() <= labels.items()


@pytest.mark.parametrize(("kind", "name"), [("Deployment", "likewise-api"), ("Deployment", "likewise-flusher")])
def test_pods_get_the_names_of_all_nodes_and_the_password(kind: str, name: str) -> None:
    variables = environment(pod_spec(find_object(render(), kind, name))["containers"][0])
    assert variables["LIKEWISE_REDIS_URLS"].split(",") == [f"redis://{NAME}-{at}.{NAME}:6379" for at in range(6)]
    assert variables["LIKEWISE_REDIS_PASSWORD"] == {"secretKeyRef": {"name": NAME, "key": "password"}}
    assert "LIKEWISE_REDIS_USERNAME" not in variables


def test_the_password_is_generated_and_kept() -> None:
    secret = find_object(render(), "Secret", NAME)
    assert len(base64.b64decode(secret["data"]["password"])) == 32
    assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_an_existing_secret_is_used() -> None:
    objects = render(**{"redis.existingSecret": "mine"})
    assert not [one for one in of_component(objects, "redis") if one["kind"] == "Secret"]
    for container in pod_spec(find_object(objects, "StatefulSet", NAME))["containers"]:
        assert environment(container)["REDISCLI_AUTH"] == {"secretKeyRef": {"name": "mine", "key": "password"}}


def test_data_is_on_a_volume_by_default() -> None:
    [claim] = find_object(render(), "StatefulSet", NAME)["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "data"
    without = find_object(render(**{"redis.persistence.enabled": False}), "StatefulSet", NAME)
    assert "volumeClaimTemplates" not in without["spec"]
    assert {"name": "data", "emptyDir": {}} in pod_spec(without)["volumes"]


def test_values_are_part_of_the_configuration() -> None:
    objects = render(**{"redis.maxmemory": "900mb", "redis.nodeTimeoutMs": 7000, "redis.replicationBacklog": "64mb"})
    lines = find_object(objects, "ConfigMap", NAME)["data"]["valkey.conf"].splitlines()
    for line in ("maxmemory 900mb", "cluster-node-timeout 7000", "repl-backlog-size 64mb", "appendonly yes"):
        assert lines.count(line) == 1
    assert "maxmemory-policy volatile-lru" in lines


def test_changed_configuration_restarts_the_nodes() -> None:
    def checksum(**values: object) -> str:
        redis = find_object(render(**values), "StatefulSet", NAME)
        return str(redis["spec"]["template"]["metadata"]["annotations"]["checksum/config"])

    assert checksum() == checksum()
    assert checksum() != checksum(**{"redis.maxmemory": "600mb"})


def test_external_cluster() -> None:
    objects = render(**EXTERNAL, **{"redis.external.urls[1]": "redis://r1.example:6379"})
    assert not of_component(objects, "redis")
    assert not of_component(objects, "redis-join")
    variables = environment(pod_spec(find_object(objects, "Deployment", "likewise-api"))["containers"][0])
    assert variables["LIKEWISE_REDIS_URLS"] == "redis://r0.example:6379,redis://r1.example:6379"
    assert not {"LIKEWISE_REDIS_PASSWORD", "LIKEWISE_REDIS_USERNAME", "LIKEWISE_REDIS_CA_FILE"} & variables.keys()


def test_external_cluster_with_tls_and_an_acl_user() -> None:
    objects = render(
        **EXTERNAL_TLS,
        **{
            "redis.external.existingSecret": "redis-user",
            "redis.external.tls.enabled": True,
            "redis.external.tls.caSecret": "redis-ca",
        },
    )
    for name in ("likewise-api", "likewise-flusher"):
        spec = pod_spec(find_object(objects, "Deployment", name))
        variables = environment(spec["containers"][0])
        assert variables["LIKEWISE_REDIS_PASSWORD"] == {"secretKeyRef": {"name": "redis-user", "key": "password"}}
        assert variables["LIKEWISE_REDIS_USERNAME"]["secretKeyRef"]["key"] == "username"
        [mount] = [one for one in spec["containers"][0]["volumeMounts"] if one["name"] == "redis-ca"]
        assert variables["LIKEWISE_REDIS_CA_FILE"] == f"{mount['mountPath']}/ca.crt"
        [volume] = [one for one in spec["volumes"] if one["name"] == "redis-ca"]
        assert volume["secret"]["secretName"] == "redis-ca"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"redis.enabled": False}, "redis.external.urls is empty"),
        ({"redis.external.urls[0]": "redis://r0:6379"}, "and redis.enabled are both set"),
        ({**EXTERNAL_TLS}, "use rediss:// with true"),
        ({**EXTERNAL, "redis.external.tls.enabled": True}, "use rediss:// with true"),
        ({**EXTERNAL, "redis.external.tls.caSecret": "ca"}, "redis.external.tls.caSecret has no effect"),
        ({"redis.external.urls[0]": "redis://user:password@r0:6379"}, "does not match pattern"),
        ({"redis.replicas": 5, "redis.primaries": 6}, "must be at least redis.primaries (6)"),
        ({"redis.primaries": 2}, "minimum"),
        ({"redis.maxmemory": "256mb"}, "must be above settings.queue_bytes (268435456)"),
        ({"redis.maxmemory": "600mb", "settings.queue_bytes": 629145600}, "must be above settings.queue_bytes"),
        ({"redis.maxmemory": "1gb"}, "redis.resources.limits.memory (1Gi) must be above redis.maxmemory (1gb)"),
        ({"redis.maxmemory": "512Mi"}, "does not match pattern"),
        ({"redis.maxMemory": "512mb"}, "maxMemory"),
    ],
)
def test_invalid_values_are_refused_with_a_message(values: dict[str, object], message: str) -> None:
    with pytest.raises(RefusedError) as refused:
        render(**values)
    assert message in str(refused.value)
