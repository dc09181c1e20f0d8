"""The rendered chart under other people's eyes: helm lint, kubeconform and kube-score."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.support.chart import CHART, named, render, rendered

OLDEST, NEWEST = "1.30.0", "1.34.0"  # Chart.yaml's kubeVersion, and what the cluster tests run on
OUTSIDE = (
    "--set", "redis.enabled=false,redis.external.urls[0]=rediss://r.example:6379,redis.external.existingSecret=redis",
    "--set", "redis.external.tls.enabled=true,redis.external.tls.caSecret=ca",
    "--set", "postgres.enabled=false,postgres.external.existingSecret=shards,secret.existingSecret=likewise",
)  # fmt: skip
EVERYTHING = (
    "--set", "httpRoute.enabled=true,httpRoute.parentRefs[0].name=public,hpa.requestsPerPod.enabled=true",
    "--set", "ingress.host=a.example,ingress.tls.enabled=true,ingress.tls.secretName=c,image.pullSecrets[0]=p",
    "--set", "metrics.serviceMonitor.enabled=true,tracing.endpoint=http://otel:4318,postgres.databases=3",
    "--set", "serviceAccount.annotations.a=b,api.podLabels.a=b,api.podAnnotations.a=b,api.nodeSelector.a=b",
    "--set", "api.priorityClassName=high,api.tolerations[0].key=a,api.extraEnv[0].name=A,api.extraEnv[0].value=b",
    "--set", "api.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution=null",
)  # fmt: skip
PLAIN = (
    "--set", "hpa.enabled=false,autoscaler.enabled=false,replicas=3",
    "--set", "pdb.enabled=false,networkPolicy.enabled=false,ingress.enabled=false",
)  # fmt: skip
SETS = {"default": (), "upgrade": ("--is-upgrade",), "outside": OUTSIDE, "everything": EVERYTHING, "plain": PLAIN}
CUSTOM = "ServiceMonitor,PrometheusRule,HTTPRoute"  # no schema of Kubernetes itself: read by the other tests


def say(*command: str, stdin: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.requires("helm")
def test_helm_finds_nothing_to_warn_of() -> None:
    done = say("helm", "lint", "--strict", "--quiet", str(CHART), stdin="")
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where kubeconform finds Kubernetes' schemas: those of a package, with references that work without a network."""
    packaged = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    root = tmp_path_factory.mktemp("schemas")
    for version in (OLDEST, NEWEST):
        (root / f"v{version}").mkdir()
        for file in (packaged / f"v{version}-local-strict").glob("*.json"):
            schema = json.loads(file.read_text())
            schema.pop("$id", None)
            text = json.dumps(schema).replace('"/api/_definitions.json', '"_definitions.json')
            (root / f"v{version}" / file.name).write_text(text)
    return f"{root}/{{{{.NormalizedKubernetesVersion}}}}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"


@pytest.mark.requires("kubeconform")
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_knows_every_field_of_every_set(version: str, schemas: str) -> None:
    found = conform("\n".join(rendered(*args) for args in SETS.values()), version, schemas)
    assert found["summary"]["invalid"] == found["summary"]["errors"] == 0, found["resources"]
    assert found["summary"]["valid"] > 100


@pytest.mark.requires("kubeconform")
def test_an_unknown_field_would_be_found(schemas: str) -> None:
    api = yaml.safe_dump(named(render(), "Deployment", "likewise-api"))
    assert conform(api, NEWEST, schemas)["summary"]["valid"] == 1
    assert conform(api.replace("preStop:", "preeStop:"), NEWEST, schemas)["summary"]["invalid"] == 1


def conform(text: str, version: str, schemas: str) -> dict[str, dict[str, int]]:
    options = ("-strict", "-summary", "-output", "json", "-skip", CUSTOM)
    where = ("-kubernetes-version", version, "-schema-location", schemas)
    return dict(json.loads(say("kubeconform", *options, *where, stdin=text).stdout))


REASONED = {
    "container-image-pull-policy": "images are named by version or digest: IfNotPresent finds the same one",
    "container-resources": "memory is bounded; a bound of CPU makes a pod answer late while cores are idle",
}
REASONED_OF = {
    "container-security-context-user-group-id": {
        "redis": "the users that the official images of Valkey and Postgres are made for",
        "postgres": "the same",
    },
    "statefulset-has-servicename": {"postgres": "one pod each, reached by a Service with an address of its own"},
    "pod-probes": {
        "flusher": "its Service is for Prometheus: nothing waits for it to be ready",
        "autoscaler": "the same",
    },
}


@pytest.mark.requires("kube-score")
@pytest.mark.parametrize("name", sorted(SETS.keys() - {"plain"}))  # which turns off what kube-score asks for
def test_nothing_is_critical_without_a_reason(name: str) -> None:
    text = "\n---\n".join(
        part for part in rendered(*SETS[name]).split("\n---\n") if not set(CUSTOM.split(",")) & kind_of(part)
    )
    found = json.loads(say("kube-score", "score", "--output-format", "json", "-", stdin=text).stdout)
    critical = {
        (check["check"]["id"], one["object_meta"]["name"])
        for one in found
        for check in one["checks"]
        if check["grade"] == 1 and not check["skipped"]
    }
    assert not {each for each in critical if not reasoned(*each)}
    assert not {check for check in REASONED if check not in {check for check, _ in critical}}, "no longer needed"


def reasoned(check: str, name: str) -> bool:
    parts: Mapping[str, str] = REASONED_OF.get(check, {})
    return check in REASONED or any(part in name for part in parts)


def kind_of(document: str) -> set[str]:
    return {line.partition(" ")[2] for line in document.splitlines() if line.startswith("kind: ")}


@pytest.mark.requires("kube-score")
def test_no_container_of_ours_lacks_a_bound_of_memory() -> None:
    found = json.loads(
        say(
            "kube-score", "score", "--ignore-container-cpu-limit", "--output-format", "json", "-", stdin=rendered()
        ).stdout
    )
    checks = [check for one in found for check in one["checks"] if check["check"]["id"] == "container-resources"]
    assert checks
    assert all(check["grade"] > 1 for check in checks)
