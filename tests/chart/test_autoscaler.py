"""The autoscaler as the chart installs it: on unless said otherwise, with few rights, with settings that it knows."""

import json

import pytest

from autoscaler.controller.run_settings import RunSettings
from autoscaler.policy.tuning import Tuning
from autoscaler.settings import PREFIX, RENAMED
from tests.support.chart import CHART, RefusedError, environment, named, pod, render

NAME = "likewise-autoscaler"
FROM_OTHER_VALUES = {
    "namespace", "deployment", "hpa", "flushers", "lease", "decisions", "metrics_host", "metrics_port",
    "min_replicas", "max_replicas", "min_flushers",
}  # fmt: skip


def test_it_is_on_and_one_value_turns_it_off():
    assert named(render(), "Deployment", NAME)["spec"]["replicas"] == 2
    assert not [one for one in render(**{"autoscaler.enabled": False}) if "autoscaler" in one["metadata"]["name"]]


def test_the_floor_is_its_own_and_the_hpas_only_without_it():
    assert "minReplicas" not in named(render(), "HorizontalPodAutoscaler", "likewise-api")["spec"]
    off = render(**{"autoscaler.enabled": False})
    assert named(off, "HorizontalPodAutoscaler", "likewise-api")["spec"]["minReplicas"] == 2


def test_it_is_told_what_to_scale_and_how_far():
    values = {"hpa.minReplicas": 3, "hpa.maxReplicas": 40, "autoscaler.settings.target_utilization": 0.6}
    env = environment(pod(named(render(**values), "Deployment", NAME))["containers"][0])
    wanted = {
        "DEPLOYMENT": "likewise-api", "HPA": "likewise-api", "FLUSHERS": "likewise-flusher", "LEASE": NAME,
        "DECISIONS": NAME, "MIN_REPLICAS": "3", "MAX_REPLICAS": "40", "TARGET_UTILIZATION": "0.6",
    }  # fmt: skip
    assert wanted.items() <= {name.removeprefix("LIKEWISE_AUTOSCALER_"): value for name, value in env.items()}.items()
    assert {"LIKEWISE_REDIS_URLS", "LIKEWISE_REDIS_PASSWORD"} <= env.keys()


def test_without_an_hpa_it_scales_the_deployment_alone():
    objects = render(**{"hpa.enabled": False})
    env = environment(pod(named(objects, "Deployment", NAME))["containers"][0])
    assert env["LIKEWISE_AUTOSCALER_HPA"] == ""
    assert "replicas" not in named(objects, "Deployment", "likewise-api")["spec"]
    assert not [one for one in objects if one["kind"] == "CronJob"]
    resources = {name for rule in named(objects, "Role", NAME)["rules"] for name in rule["resources"]}
    assert "horizontalpodautoscalers" not in resources


def test_it_may_change_numbers_of_named_objects_and_nothing_else():
    rules = named(render(), "Role", NAME)["rules"]
    unnamed = {(*rule["resources"], *rule["verbs"]) for rule in rules if "resourceNames" not in rule}
    assert unnamed == {("events", "create"), ("pods", "list")}
    writing = {name for rule in rules if {"patch", "update"} & set(rule["verbs"]) for name in rule["resources"]}
    assert writing == {"horizontalpodautoscalers", "deployments/scale", "leases", "configmaps"}
    assert not [one for one in rules if one["resources"] == ["leases"] and "create" in one["verbs"]]


def test_something_else_lowers_what_a_dead_one_left():
    spec = named(render(), "CronJob", NAME)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert spec["containers"][0]["command"] == ["likewise-autoscaler", "lower"]


def test_what_lowers_gets_no_redis_and_only_the_rights_it_needs():
    own = {"urls": "{rediss://r:1}", "tls.enabled": True, "tls.caSecret": "ca", "existingSecret": "r"}
    objects = render(**{"redis.enabled": False}, **{f"redis.external.{name}": value for name, value in own.items()})
    spec = named(objects, "CronJob", NAME)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    leader = pod(named(objects, "Deployment", NAME))
    for one, asks in ((spec, False), (leader, True)):
        assert any("REDIS" in name for name in environment(one["containers"][0])) is asks
        assert any("secret" in volume for volume in one["volumes"]) is asks
    assert (spec["serviceAccountName"], leader["serviceAccountName"]) == (f"{NAME}-lower", NAME)
    rules = named(objects, "Role", f"{NAME}-lower")["rules"]
    assert {(one["resources"][0], *one.get("resourceNames", []), *one["verbs"]) for one in rules} == {
        ("horizontalpodautoscalers", "likewise-api", "get", "patch"),
        ("deployments", "likewise-api", "get"),
        ("leases", NAME, "get"),
        ("events", "create"),
    }


def test_the_lease_is_made_empty_so_that_no_upgrade_takes_it_back():
    assert named(render(), "Lease", NAME).keys() == {"apiVersion", "kind", "metadata"}


def test_values_know_every_setting_and_no_other():
    schema = json.loads((CHART / "values.schema.json").read_text())
    known = schema["properties"]["autoscaler"]["properties"]["settings"]["properties"].keys()
    old = {name.removeprefix(PREFIX).lower() for name in RENAMED}
    assert known == (Tuning.model_fields.keys() | RunSettings.model_fields.keys()) - FROM_OTHER_VALUES | old


def test_an_old_name_of_a_setting_reaches_the_autoscaler_which_warns():
    values = {"autoscaler.settings.hold_s": 45, "autoscaler.settings.target_utilisation": 0.6}
    objects = render(**values)
    env = environment(pod(named(objects, "Deployment", NAME))["containers"][0])
    assert env[f"{PREFIX}HOLD_S"] == "45"
    [metric, *_] = named(objects, "HorizontalPodAutoscaler", "likewise-api")["spec"]["metrics"]
    assert metric["resource"]["target"]["averageValue"] == "700m"


@pytest.mark.parametrize("setting", ["max_replicas", "utilization"])
def test_a_setting_that_is_none_is_refused(setting):
    with pytest.raises(RefusedError, match=setting):
        render(**{f"autoscaler.settings.{setting}": 5})


def test_replicas_are_not_asked_for_beside_it():
    with pytest.raises(RefusedError, match="replicas has no effect"):
        render(**{"hpa.enabled": False, "replicas": 5})
