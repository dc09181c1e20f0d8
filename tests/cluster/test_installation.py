"""Tests of an installation: a like through the ingress, helm test, failed migrations, Secrets and permissions."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.support.cluster.kubectl import CommandError, Namespace, eventually, namespace

VALUES = {
    "redis.persistence.enabled": False,
    "postgres.persistence.enabled": False,
    "api.preStopSeconds": 2,
    "autoscaler.enabled": True,
    "autoscaler.resources.requests.cpu": "10m",
}
CHANGED_VALUES = VALUES | {"settings.count_cache_ms": 200}
COMPONENTS = ("api", "flusher")


@pytest.fixture(scope="module")
def installed() -> Iterator[Namespace]:
    with namespace("likewise-installation") as space:
        space.install(**VALUES)
        yield space


def pod_names(space: Namespace) -> set[str]:
    return {pod["metadata"]["name"] for component in COMPONENTS for pod in space.pods(component)}


def secret_data(space: Namespace) -> dict[str, object]:
    return {name: space.get("secret", name)["data"] for name in ("likewise", "likewise-redis", "likewise-postgres")}


def fetch(method: str, url: str) -> tuple[int, bytes]:
    """Return status and body of any response."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read()


def test_a_like_through_the_ingress(installed: Namespace, ingress_url: str) -> None:
    like = f"{ingress_url}/v1/posts/hello-world/like"
    eventually(lambda: fetch("PUT", like)[0] == 201)
    status, body = fetch("PUT", like)
    output = json.loads(body)
    assert (status, output["post"], output["liked"]) == (201, "hello-world", True)
    assert fetch("GET", f"{ingress_url}/metrics")[0] == 404


def test_the_autoscaler_is_leader_and_sets_min_replicas(installed: Namespace) -> None:
    eventually(lambda: installed.get("lease/likewise-autoscaler")["spec"]["holderIdentity"])
    eventually(lambda: installed.get("hpa/likewise-api")["spec"]["minReplicas"] == 2)
    eventually(lambda: installed.ready("api") == 2 and installed.ready("flusher") == 2)
    assert "likewise-api" in installed.execute("deployment/likewise-autoscaler", "likewise-autoscaler", "status")
    installed.kubectl("create", "job", "reset-floor-now", "--from=cronjob/likewise-autoscaler")
    installed.kubectl("wait", "--for=condition=complete", "job/reset-floor-now", "--timeout=90s")


def test_the_image_runs_unprivileged_and_without_tools(installed: Namespace) -> None:
    api = "deployment/likewise-api"
    assert installed.execute(api, "sh", "-c", "id -u; id -g").split() == ["10001", "10001"]
    assert installed.execute(api, "sh", "-c", "command -v cc gcc g++ make pip || echo none").strip() == "none"
    with pytest.raises(CommandError, match="Read-only file system"):
        installed.execute(api, "touch", "/opt/likewise/anything")


def test_the_image_has_no_load_generator(installed: Namespace) -> None:
    script = "import service; print(service.__path__[0])"
    folder = installed.execute("deployment/likewise-api", "python", "-c", script).strip()
    names = installed.execute("deployment/likewise-api", "ls", folder).split()
    assert "api" in names
    assert not {"loadtest", "devstack"} & set(names)


def test_helm_test_succeeds(installed: Namespace) -> None:
    output = installed.helm("test", "likewise", "--logs")
    assert "liked again, count: (True, 1)" in output
    assert "unliked, count: (False, 0)" in output


def test_a_failed_migration_fails_the_upgrade_with_its_reason(installed: Namespace) -> None:
    before, kept = pod_names(installed), secret_data(installed)
    installed.sql("INSERT INTO migrations (number, phase, name) VALUES (9001, 'post', 'later')")
    try:
        with pytest.raises(CommandError) as refusal:
            installed.install(**CHANGED_VALUES)
    finally:
        installed.sql("DELETE FROM migrations WHERE number = 9001")
    assert "is newer than this image: it has migration 9001 post later" in str(refusal.value)
    assert pod_names(installed) == before
    assert installed.ready("api") == 2
    assert "LIKEWISE_COUNT_CACHE_MS" not in installed.get("configmap", "likewise")["data"]

    # The migration that blocked the upgrade is gone.
    installed.install(**CHANGED_VALUES)
    eventually(lambda: not pod_names(installed) & before)
    assert secret_data(installed) == kept


def test_a_refused_rollback_changes_nothing(installed: Namespace) -> None:
    deployed = installed.get("deployment", "likewise-api")["spec"]["template"]
    installed.sql("INSERT INTO migrations (number, phase, name) VALUES (9001, 'post', 'later')")
    try:
        with pytest.raises(CommandError, match="is newer than this image: it has migration 9001"):
            installed.helm("rollback", "likewise", "1")
    finally:
        installed.sql("DELETE FROM migrations WHERE number = 9001")
    assert installed.get("deployment", "likewise-api")["spec"]["template"] == deployed


@pytest.mark.parametrize("account", ["likewise", "default"])
def test_the_accounts_of_pods_have_no_permissions(installed: Namespace, account: str) -> None:
    identity = f"--as=system:serviceaccount:{installed.name}:{account}"
    permissions = installed.kubectl("auth", "can-i", "--list", "--no-headers", identity).splitlines()
    assert {line.split()[0] for line in permissions if not line.startswith(" ")} <= {
        "selfsubjectreviews.authentication.k8s.io",
        "selfsubjectaccessreviews.authorization.k8s.io",
        "selfsubjectrulesreviews.authorization.k8s.io",
    }
    with pytest.raises(CommandError, match="Forbidden"):
        installed.kubectl("get", "pods", identity)
