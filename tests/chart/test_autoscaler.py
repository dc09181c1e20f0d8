"""Tests of the chart's autoscaler: defaults, permissions and settings."""

import json

import pytest

from autoscaler.controller.run_settings import RunSettings
from autoscaler.policy.tuning import Tuning
from autoscaler.settings import PREFIX, RENAMED
from tests.support.kubernetes.chart import CHART, RefusedError, environment, find_object, pod_spec, render

NAME = "likewise-autoscaler"
FROM_OTHER_VALUES = {
    "namespace", "deployment", "hpa", "flushers", "lease", "decisions", "metrics_host", "metrics_port",
    "min_replicas", "max_replicas", "min_flushers",
}  # fmt: skip


def test_the_autoscaler_is_enabled_by_default_and_can_be_disabled():
    assert find_object(render(), "Deployment", NAME)["spec"]["replicas"] == 2
    assert not [one for one in render(**{"autoscaler.enabled": False}) if "autoscaler" in one["metadata"]["name"]]


def test_the_hpa_has_min_replicas_only_without_the_autoscaler():
    assert "minReplicas" not in find_object(render(), "HorizontalPodAutoscaler", "likewise-api")["spec"]
    without = render(**{"autoscaler.enabled": False})
    assert find_object(without, "HorizontalPodAutoscaler", "likewise-api")["spec"]["minReplicas"] == 2


def test_the_autoscaler_gets_the_names_and_bounds_of_its_targets():
    values = {"hpa.minReplicas": 3, "hpa.maxReplicas": 40, "autoscaler.settings.target_utilization": 0.6}
    env = environment(pod_spec(find_object(render(**values), "Deployment", NAME))["containers"][0])
    expected = {
        "DEPLOYMENT": "likewise-api", "HPA": "likewise-api", "FLUSHERS": "likewise-flusher", "LEASE": NAME,
        "DECISIONS": NAME, "MIN_REPLICAS": "3", "MAX_REPLICAS": "40", "TARGET_UTILIZATION": "0.6",
    }  # fmt: skip
    assert expected.items() <= {name.removeprefix("LIKEWISE_AUTOSCALER_"): value for name, value in env.items()}.items()
    assert {"LIKEWISE_REDIS_URLS", "LIKEWISE_REDIS_PASSWORD"} <= env.keys()


def test_without_an_hpa_the_autoscaler_scales_the_deployment_only():
    objects = render(**{"hpa.enabled": False})
    env = environment(pod_spec(find_object(objects, "Deployment", NAME))["containers"][0])
    assert env["LIKEWISE_AUTOSCALER_HPA"] == ""
    assert "replicas" not in find_object(objects, "Deployment", "likewise-api")["spec"]
    assert not [one for one in objects if one["kind"] == "CronJob"]
    resources = {name for rule in find_object(objects, "Role", NAME)["rules"] for name in rule["resources"]}
    assert "horizontalpodautoscalers" not in resources


def test_the_autoscaler_may_change_only_the_replicas_of_named_objects():
    rules = find_object(render(), "Role", NAME)["rules"]
    unnamed = {(*rule["resources"], *rule["verbs"]) for rule in rules if "resourceNames" not in rule}
    assert unnamed == {("events", "create"), ("pods", "list")}
    writable = {name for rule in rules if {"patch", "update"} & set(rule["verbs"]) for name in rule["resources"]}
    assert writable == {"horizontalpodautoscalers", "deployments/scale", "leases", "configmaps"}
    assert not [one for one in rules if one["resources"] == ["leases"] and "create" in one["verbs"]]


def test_a_cronjob_resets_min_replicas():
    spec = find_object(render(), "CronJob", NAME)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert spec["containers"][0]["command"] == ["likewise-autoscaler", "reset-floor"]


def test_the_cronjob_gets_no_redis_credentials_and_few_permissions():
    external = {"urls": "{rediss://r:1}", "tls.enabled": True, "tls.caSecret": "ca", "existingSecret": "r"}
    objects = render(
        **{"redis.enabled": False}, **{f"redis.external.{name}": value for name, value in external.items()}
    )
    spec = find_object(objects, "CronJob", NAME)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    leader = pod_spec(find_object(objects, "Deployment", NAME))
    for one, uses_redis in ((spec, False), (leader, True)):
        assert any("REDIS" in name for name in environment(one["containers"][0])) is uses_redis
        assert any("secret" in volume for volume in one["volumes"]) is uses_redis
    assert (spec["serviceAccountName"], leader["serviceAccountName"]) == (f"{NAME}-lower", NAME)
    rules = find_object(objects, "Role", f"{NAME}-lower")["rules"]
    assert {(one["resources"][0], *one.get("resourceNames", []), *one["verbs"]) for one in rules} == {
        ("horizontalpodautoscalers", "likewise-api", "get", "patch"),
        ("deployments", "likewise-api", "get"),
        ("leases", NAME, "get"),
        ("events", "create"),
    }


def test_the_lease_is_rendered_without_spec_so_that_upgrades_keep_it():
    assert find_object(render(), "Lease", NAME).keys() == {"apiVersion", "kind", "metadata"}


def test_the_schema_lists_every_setting_and_no_other():
    schema = json.loads((CHART / "values.schema.json").read_text())
    known = schema["properties"]["autoscaler"]["properties"]["settings"]["properties"].keys()
    old = {name.removeprefix(PREFIX).lower() for name in RENAMED}
    assert known == (Tuning.model_fields.keys() | RunSettings.model_fields.keys()) - FROM_OTHER_VALUES | old


@pytest.mark.parametrize("setting", ["max_replicas", "utilization"])
def test_an_unknown_setting_is_refused(setting):
    with pytest.raises(RefusedError, match=setting):
        render(**{f"autoscaler.settings.{setting}": 5})


def test_replicas_is_refused_with_the_autoscaler():
    with pytest.raises(RefusedError, match="replicas has no effect"):
        render(**{"hpa.enabled": False, "replicas": 5})
