"""Plain manifests: the chart's default and `k8s/base` are one, and what stands on the base still fits."""

import json
import re
from typing import Any

import pytest

from tests.support.chart import ROOT, Object, built, environment, named, pod, render

K8S = ROOT / "k8s"
FOLDERS = [path.parent.relative_to(K8S).as_posix() for path in sorted(K8S.glob("*/**/kustomization.yaml"))]
_HELM_ONLY = {"helm.sh/chart", "app.kubernetes.io/managed-by"}
_HOOKS_ACCOUNT = {("migration", kind) for kind in ("ServiceAccount", "Role", "RoleBinding")}


def _plain(thing: Any) -> Any:
    """Without what only Helm puts there: its labels, checksums and the hash in a Job's name."""
    if isinstance(thing, list):
        return [_plain(one) for one in thing]
    if isinstance(thing, dict):
        kept = {name: _plain(value) for name, value in thing.items() if name not in _HELM_ONLY | {"checksum/config"}}
        return {name: value for name, value in kept.items() if value not in ({}, None)}
    return thing


def _only_helms(one: Object) -> bool:
    """Secrets that it makes, its test, and the account of its hook."""
    kind, component = one["kind"], one["metadata"]["labels"]["app.kubernetes.io/component"]
    return kind == "Secret" or component == "test" or (component, kind) in _HOOKS_ACCOUNT


def _by_name(objects: list[Object]) -> dict[tuple[str, str], Any]:
    """Objects by kind and name; a Job's without its hash."""
    return {
        (one["kind"], re.sub(r"-[0-9a-f]{8}$", "", one["metadata"]["name"])): _plain(one)
        for one in objects
        if not _only_helms(one)
    }


def test_the_base_is_the_charts_default() -> None:
    said = "run `make manifests`: k8s/base is not what the chart renders"
    chart, base = _by_name(render("--no-hooks")), _by_name(built("base"))
    assert chart.keys() == base.keys(), said
    for name, one in chart.items():
        if name[0] == "Job":
            one["metadata"]["name"] = name[1]
        if name[1] == "likewise-migration" and name[0] == "Job":
            [migrate] = pod(one)["containers"]
            assert migrate["command"].pop() == "all"
            migrate["command"].append("pre")  # nothing tells plain manifests when the last old pod is gone
        assert base[name] == one, f"{name}: {said}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_builds(folder: str) -> None:
    objects = built(folder)
    assert objects
    assert not [one for one in objects if one["kind"] == "Secret"]


@pytest.mark.parametrize("job", ["drill", "breaker"])
def test_drills_reach_the_same_servers_as_the_api(job: str) -> None:
    [api] = pod(named(built("base"), "Deployment", "likewise-api"))["containers"]
    [container] = pod(named(built("drills/killed-primary"), "Job", f"likewise-{job}"))["containers"]
    of_api, own = environment(api), environment(container)
    shared = of_api.keys() & own.keys()
    assert "LIKEWISE_REDIS_PASSWORD" in shared
    if job == "drill":
        assert {"LIKEWISE_SECRET", "LIKEWISE_SHARD_MAP", "PGPASSWORD", "LIKEWISE_REDIS_URLS"} <= shared
        assert {name: own[name] for name in shared} == {name: of_api[name] for name in shared}
    else:
        assert own["LIKEWISE_REDIS_URLS"] in of_api["LIKEWISE_REDIS_URLS"].split(",")


def test_own_servers_have_nothing_of_the_base_s() -> None:
    objects = built("overlays/own-servers")
    assert "likewise-redis-0" not in json.dumps(objects)
    assert "likewise-postgres" not in json.dumps(objects)
    assert not [one for one in objects if one["kind"] == "StatefulSet"]
    for kind, name in (
        ("Deployment", "likewise-api"),
        ("Deployment", "likewise-flusher"),
        ("Job", "likewise-migration"),
    ):
        [container] = pod(named(objects, kind, name))["containers"]
        values = environment(container)
        assert "PGPASSWORD" not in values
        assert values["LIKEWISE_SHARD_MAP"] == {"secretKeyRef": {"name": "likewise-shards", "key": "shard_map"}}
