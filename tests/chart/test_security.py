"""Tests of the permissions of the chart's pods, and of the access to them."""

from typing import Any

import pytest

from tests.support.kubernetes.chart import Object, find_object, render


def pods(objects: list[Object]) -> dict[str, Any]:
    """Return the spec of every pod of the chart, including hooks and tests, by the kind and name of its owner."""
    found = {}
    for one in objects:
        if one["kind"] == "Pod":
            found[f"Pod {one['metadata']['name']}"] = one["spec"]
        elif template := _spec_with_pod(one).get("template"):
            found[f"{one['kind']} {one['metadata']['name']}"] = template["spec"]
    return found


def _spec_with_pod(one: Object) -> Any:
    """Return the spec with the pod template. That of a CronJob is in its Job."""
    spec = one.get("spec", {})
    return spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec


ALL_PODS = ["api", "flusher", "migration-before", "migration-after", "test", "redis", "postgres-0", "autoscaler"]


@pytest.fixture(scope="module")
def all_pods() -> dict[str, Any]:
    found = pods(render())
    assert not [name for name in ALL_PODS if not any(key.endswith(f"likewise-{name}") for key in found)]
    return found


def test_every_pod_passes_pod_security_restricted(all_pods: dict[str, Any]) -> None:
    for name, spec in all_pods.items():
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] > 0, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
        kinds = {kind for volume in spec.get("volumes", []) for kind in volume.keys() - {"name"}}
        assert kinds <= {"emptyDir", "configMap", "secret", "projected", "persistentVolumeClaim"}, name
        for one in [*spec["containers"], *spec.get("initContainers", [])]:
            context = one["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name


def test_every_container_has_a_read_only_root_and_resources(all_pods: dict[str, Any]) -> None:
    for name, spec in all_pods.items():
        for one in [*spec["containers"], *spec.get("initContainers", [])]:
            assert one["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert {"cpu", "memory"} <= one["resources"]["requests"].keys(), name
            assert "memory" in one["resources"]["limits"], name


def test_only_the_autoscaler_and_the_post_upgrade_job_have_a_token(all_pods: dict[str, Any]) -> None:
    with_token = {name for name, spec in all_pods.items() if spec["automountServiceAccountToken"]}
    assert with_token == {"Deployment likewise-autoscaler", "CronJob likewise-autoscaler"}
    projected = {
        name
        for name, spec in all_pods.items()
        for volume in spec.get("volumes", [])
        if any("serviceAccountToken" in source for source in volume.get("projected", {}).get("sources", []))
    }
    assert projected == {"Job likewise-migration-after"}


def test_the_post_upgrade_job_may_read_two_deployments_and_list_pods() -> None:
    role = find_object(render(), "Role", "likewise-migration")
    assert role["rules"] == [
        {
            "apiGroups": ["apps"],
            "resources": ["deployments"],
            "resourceNames": ["likewise-api", "likewise-flusher"],
            "verbs": ["get"],
        },
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    ]
    binding = find_object(render(), "RoleBinding", "likewise-migration")
    assert [subject["name"] for subject in binding["subjects"]] == ["likewise-migration"]


def test_every_pod_has_a_network_policy() -> None:
    objects = render()
    policies = [one["spec"] for one in objects if one["kind"] == "NetworkPolicy"]
    chosen = {policy["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for policy in policies}
    assert {"api", "flusher", "migration", "test", "redis", "postgres"} <= chosen
    assert all("Ingress" in policy["policyTypes"] for policy in policies)
    assert not [one for one in render(**{"networkPolicy.enabled": False}) if one["kind"] == "NetworkPolicy"]


def ingress(component: str, **values: object) -> Any:
    return find_object(render(**values), "NetworkPolicy", f"likewise-{component}")["spec"].get("ingress")


def test_the_api_is_public_and_only_prometheus_reaches_the_metrics() -> None:
    http, metrics = ingress("api")
    assert http == {"ports": [{"port": "http"}]}
    assert metrics["ports"] == [{"port": "metrics"}]
    [prometheus] = metrics["from"]
    assert prometheus["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}
    assert ingress("flusher") == [metrics]
    assert ingress("migration") is None
    assert ingress("test") is None


def test_the_api_can_be_restricted_to_the_ingress_controller() -> None:
    selector = r"networkPolicy.api[0].namespaceSelector.matchLabels.kubernetes\.io/metadata\.name"
    own, controller = ingress("api", **{selector: "ingress"})[0]["from"]
    assert own["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "likewise"
    assert controller == {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}


def test_the_service_account_is_created_or_named() -> None:
    objects = render(**{"serviceAccount.create": False, "serviceAccount.name": "mine", "autoscaler.enabled": False})
    assert [one["metadata"]["name"] for one in objects if one["kind"] == "ServiceAccount"] == ["likewise-migration"]
    own_pods = {name: spec for name, spec in pods(objects).items() if "redis" not in name and "postgres" not in name}
    assert {spec["serviceAccountName"] for spec in own_pods.values()} == {"mine", "likewise-migration"}


def test_the_secret_is_generated_or_named() -> None:
    [secret] = [one for one in render() if one["metadata"]["name"] == "likewise" and one["kind"] == "Secret"]
    assert secret["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    # 48 characters in base64.
    assert len(secret["data"]["LIKEWISE_SECRET"]) == 64
    objects = render(**{"secret.existingSecret": "mine"})
    assert not [one for one in objects if one["metadata"]["name"] == "likewise" and one["kind"] == "Secret"]
    env = pods(objects)["Deployment likewise-api"]["containers"][0]["env"]
    assert {"name": "mine", "key": "LIKEWISE_SECRET"} in [one.get("valueFrom", {}).get("secretKeyRef") for one in env]
