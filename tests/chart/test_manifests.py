"""Tests that `k8s/base` has the same objects as the chart, and that everything based on it builds."""

import json
import re
from typing import Any

import pytest

from tests.support.kubernetes.chart import ROOT, Object, environment, find_object, kustomize, pod_spec, render

K8S = ROOT / "k8s"
FOLDERS = [path.parent.relative_to(K8S).as_posix() for path in sorted(K8S.glob("*/**/kustomization.yaml"))]
_HELM_ONLY = {"helm.sh/chart", "app.kubernetes.io/managed-by", "checksum/config"}
_HOOK_ACCOUNT = {("migration", kind) for kind in ("ServiceAccount", "Role", "RoleBinding")}


def _strip_helm_parts(value: Any) -> Any:
    """Return the value without labels and checksums that only Helm sets."""
    if isinstance(value, list):
        return [_strip_helm_parts(item) for item in value]
    if isinstance(value, dict):
        kept = {name: _strip_helm_parts(item) for name, item in value.items() if name not in _HELM_ONLY}
        return {name: item for name, item in kept.items() if item not in ({}, None)}
    return value


def _is_helm_only(one: Object) -> bool:
    """Tell whether the object is a generated Secret, the test, or part of a hook's account."""
    kind, component = one["kind"], one["metadata"]["labels"]["app.kubernetes.io/component"]
    return kind == "Secret" or component == "test" or (component, kind) in _HOOK_ACCOUNT


def _by_name(objects: list[Object]) -> dict[tuple[str, str], Any]:
    """Return objects by kind and name. The hash at the end of a Job's name is removed."""
    return {
        (one["kind"], re.sub(r"-[0-9a-f]{8}$", "", one["metadata"]["name"])): _strip_helm_parts(one)
        for one in objects
        if not _is_helm_only(one)
    }


def test_the_base_has_the_objects_of_the_chart() -> None:
    hint = "k8s/base differs from the chart: run `make manifests`"
    chart, base = _by_name(render("--no-hooks")), _by_name(kustomize("base"))
    assert chart.keys() == base.keys(), hint
    for name, one in chart.items():
        if name[0] == "Job":
            one["metadata"]["name"] = name[1]
        if name == ("Job", "likewise-migration"):
            # With plain manifests nothing tells when the last old pod is gone, so they run the phase `pre` only.
            [migrate] = pod_spec(one)["containers"]
            assert migrate["command"].pop() == "all"
            migrate["command"].append("pre")
        assert base[name] == one, f"{name}: {hint}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_builds(folder: str) -> None:
    objects = kustomize(folder)
    assert objects
    assert not [one for one in objects if one["kind"] == "Secret"]


@pytest.mark.parametrize("job", ["drill", "fault-injector"])
def test_drills_use_the_same_servers_as_the_api(job: str) -> None:
    [api] = pod_spec(find_object(kustomize("base"), "Deployment", "likewise-api"))["containers"]
    [container] = pod_spec(find_object(kustomize("drills/killed-primary"), "Job", f"likewise-{job}"))["containers"]
    of_api, of_job = environment(api), environment(container)
    shared = of_api.keys() & of_job.keys()
    assert "LIKEWISE_REDIS_PASSWORD" in shared
    if job == "drill":
        assert {"LIKEWISE_SECRET", "LIKEWISE_SHARD_MAP", "PGPASSWORD", "LIKEWISE_REDIS_URLS"} <= shared
        assert {name: of_job[name] for name in shared} == {name: of_api[name] for name in shared}
    else:
        assert of_job["LIKEWISE_REDIS_URLS"] in of_api["LIKEWISE_REDIS_URLS"].split(",")


def test_only_the_drill_uses_the_image_with_the_load_generator() -> None:
    jobs = [one for one in kustomize("drills/killed-primary") if one["kind"] == "Job"]
    images = {one["metadata"]["name"]: pod_spec(one)["containers"][0]["image"].partition(":")[0] for one in jobs}
    assert images == {"likewise-drill": "likewise-drill", "likewise-fault-injector": "likewise"}


def test_own_servers_uses_no_server_of_the_base() -> None:
    objects = kustomize("overlays/own-servers")
    assert "likewise-redis-0" not in json.dumps(objects)
    assert "likewise-postgres" not in json.dumps(objects)
    assert not [one for one in objects if one["kind"] == "StatefulSet"]
    for kind, name in (
        ("Deployment", "likewise-api"),
        ("Deployment", "likewise-flusher"),
        ("Job", "likewise-migration"),
    ):
        [container] = pod_spec(find_object(objects, kind, name))["containers"]
        variables = environment(container)
        assert "PGPASSWORD" not in variables
        assert variables["LIKEWISE_SHARD_MAP"] == {"secretKeyRef": {"name": "likewise-shards", "key": "shard_map"}}
