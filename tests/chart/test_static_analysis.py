"""Static analysis of the rendered chart by helm lint, kubeconform and kube-score."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.support.kubernetes.chart import CHART, find_object, helm_template, render

# The kubeVersion of Chart.yaml, and the version of the test cluster.
OLDEST, NEWEST = "1.30.0", "1.34.0"
EXTERNAL = (
    "--set", "redis.enabled=false,redis.external.urls[0]=rediss://r.example:6379,redis.external.existingSecret=redis",
    "--set", "redis.external.tls.enabled=true,redis.external.tls.caSecret=ca",
    "--set", "postgres.enabled=false,postgres.external.existingSecret=shards,secret.existingSecret=likewise",
)  # fmt: skip
ALL_OPTIONS = (
    "--set", "httpRoute.enabled=true,httpRoute.parentRefs[0].name=public,hpa.requestsPerPod.enabled=true",
    "--set", "ingress.host=a.example,ingress.tls.enabled=true,ingress.tls.secretName=c,image.pullSecrets[0]=p",
    "--set", "metrics.serviceMonitor.enabled=true,tracing.endpoint=http://otel:4318,postgres.databases=3",
    "--set", "serviceAccount.annotations.a=b,api.podLabels.a=b,api.podAnnotations.a=b,api.nodeSelector.a=b",
    "--set", "api.priorityClassName=high,api.tolerations[0].key=a,api.extraEnv[0].name=A,api.extraEnv[0].value=b",
    "--set", "api.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution=null",
)  # fmt: skip
MINIMAL = (
    "--set", "hpa.enabled=false,autoscaler.enabled=false,replicas=3",
    "--set", "pdb.enabled=false,networkPolicy.enabled=false,ingress.enabled=false",
)  # fmt: skip
VALUE_SETS = {
    "default": (),
    "upgrade": ("--is-upgrade",),
    "external": EXTERNAL,
    "all-options": ALL_OPTIONS,
    "minimal": MINIMAL,
}
# Kubernetes has no schema for them. Other tests check them.
CUSTOM_RESOURCES = "ServiceMonitor,PrometheusRule,HTTPRoute"


def run(*command: str, stdin: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.requires("helm")
def test_helm_lint_finds_no_problem() -> None:
    done = run("helm", "lint", "--strict", "--quiet", str(CHART), stdin="")
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return kubeconform's schema location.

    The schemas are those of the package kubernetes-validate, with references that work without a network.
    """
    package = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    root = tmp_path_factory.mktemp("schemas")
    for version in (OLDEST, NEWEST):
        (root / f"v{version}").mkdir()
        for file in (package / f"v{version}-local-strict").glob("*.json"):
            schema = json.loads(file.read_text())
            schema.pop("$id", None)
            text = json.dumps(schema).replace('"/api/_definitions.json', '"_definitions.json')
            (root / f"v{version}" / file.name).write_text(text)
    return f"{root}/{{{{.NormalizedKubernetesVersion}}}}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"


@pytest.mark.requires("kubeconform")
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_field_is_valid(version: str, schemas: str) -> None:
    found = run_kubeconform("\n".join(helm_template(*args) for args in VALUE_SETS.values()), version, schemas)
    assert found["summary"]["invalid"] == found["summary"]["errors"] == 0, found["resources"]
    assert found["summary"]["valid"] > 100


@pytest.mark.requires("kubeconform")
def test_an_unknown_field_is_found(schemas: str) -> None:
    api = yaml.safe_dump(find_object(render(), "Deployment", "likewise-api"))
    assert run_kubeconform(api, NEWEST, schemas)["summary"]["valid"] == 1
    assert run_kubeconform(api.replace("preStop:", "preeStop:"), NEWEST, schemas)["summary"]["invalid"] == 1


def run_kubeconform(text: str, version: str, schemas: str) -> dict[str, dict[str, int]]:
    options = ("-strict", "-summary", "-output", "json", "-skip", CUSTOM_RESOURCES)
    where = ("-kubernetes-version", version, "-schema-location", schemas)
    return dict(json.loads(run("kubeconform", *options, *where, stdin=text).stdout))


ACCEPTED = {
    "container-image-pull-policy": "images are named by version or digest, so IfNotPresent always finds the right one",
    "container-resources": "memory is limited; a CPU limit would make pods answer late while cores are idle",
}
ACCEPTED_OF_OBJECTS = {
    "container-security-context-user-group-id": {
        "redis": "the users that the official images of Valkey and Postgres expect",
        "postgres": "the same",
    },
    "statefulset-has-servicename": {"postgres": "one pod each, behind a Service with a cluster IP"},
    "pod-probes": {
        "flusher": "its Service is for Prometheus only, so nothing waits for readiness",
        "autoscaler": "the same",
    },
}


@pytest.mark.requires("kube-score")
# The minimal set disables what kube-score asks for.
@pytest.mark.parametrize("name", sorted(VALUE_SETS.keys() - {"minimal"}))
def test_kube_score_finds_no_critical_problem(name: str) -> None:
    text = "\n---\n".join(
        part
        for part in helm_template(*VALUE_SETS[name]).split("\n---\n")
        if not set(CUSTOM_RESOURCES.split(",")) & kinds(part)
    )
    found = json.loads(run("kube-score", "score", "--output-format", "json", "-", stdin=text).stdout)
    critical = {
        (check["check"]["id"], one["object_meta"]["name"])
        for one in found
        for check in one["checks"]
        if check["grade"] == 1 and not check["skipped"]
    }
    assert not {each for each in critical if not is_accepted(*each)}
    assert not {check for check in ACCEPTED if check not in {check for check, _ in critical}}, "no longer needed"


def is_accepted(check: str, name: str) -> bool:
    parts: Mapping[str, str] = ACCEPTED_OF_OBJECTS.get(check, {})
    return check in ACCEPTED or any(part in name for part in parts)


def kinds(document: str) -> set[str]:
    return {line.partition(" ")[2] for line in document.splitlines() if line.startswith("kind: ")}


@pytest.mark.requires("kube-score")
def test_every_container_has_a_memory_limit() -> None:
    found = json.loads(
        run(
            "kube-score", "score", "--ignore-container-cpu-limit", "--output-format", "json", "-", stdin=helm_template()
        ).stdout
    )
    checks = [check for one in found for check in one["checks"] if check["check"]["id"] == "container-resources"]
    assert checks
    assert all(check["grade"] > 1 for check in checks)
