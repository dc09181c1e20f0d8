"""As its operator sees an installation: a like through the ingress, helm test, failed migrations, Secrets, rights."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.support.cluster.kubectl import CommandError, Namespace, eventually, namespace

SMALL = {
    "redis.persistence.enabled": False,
    "postgres.persistence.enabled": False,
    "api.preStopSeconds": 2,
    "autoscaler.enabled": True,
    "autoscaler.resources.requests.cpu": "10m",
}
CHANGED = SMALL | {"settings.count_cache_ms": 200}
COMPONENTS = ("api", "flusher")


@pytest.fixture(scope="module")
def installed() -> Iterator[Namespace]:
    with namespace("likewise-installation") as where:
        where.install(**SMALL)
        yield where


def names(where: Namespace) -> set[str]:
    return {pod["metadata"]["name"] for component in COMPONENTS for pod in where.pods(component)}


def secrets(where: Namespace) -> dict[str, object]:
    return {name: where.get("secret", name)["data"] for name in ("likewise", "likewise-redis", "likewise-postgres")}


def asked(method: str, url: str) -> tuple[int, bytes]:
    """Status and body of the answer, whatever it is."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read()


def test_a_like_through_the_ingress(installed: Namespace, ingress_url: str) -> None:
    like = f"{ingress_url}/v1/posts/hello-world/like"
    eventually(lambda: asked("PUT", like)[0] == 201)
    status, body = asked("PUT", like)
    said = json.loads(body)
    assert (status, said["post"], said["liked"]) == (201, "hello-world", True)
    assert asked("GET", f"{ingress_url}/metrics")[0] == 404


def test_the_autoscaler_leads_and_holds_the_floor(installed: Namespace) -> None:
    eventually(lambda: installed.get("lease/likewise-autoscaler")["spec"]["holderIdentity"])
    eventually(lambda: installed.get("hpa/likewise-api")["spec"]["minReplicas"] == 2)
    eventually(lambda: installed.ready("api") == 2 and installed.ready("flusher") == 2)
    assert "likewise-api" in installed.execute("deployment/likewise-autoscaler", "likewise-autoscaler", "status")
    installed.kubectl("create", "job", "lower-now", "--from=cronjob/likewise-autoscaler")
    installed.kubectl("wait", "--for=condition=complete", "job/lower-now", "--timeout=90s")


def test_the_image_is_small_in_rights(installed: Namespace) -> None:
    api = "deployment/likewise-api"
    assert installed.execute(api, "sh", "-c", "id -u; id -g").split() == ["10001", "10001"]
    assert installed.execute(api, "sh", "-c", "command -v cc gcc g++ make pip || echo none").strip() == "none"
    with pytest.raises(CommandError, match="Read-only file system"):
        installed.execute(api, "touch", "/opt/likewise/anything")


def test_helm_test_likes_and_takes_it_back(installed: Namespace) -> None:
    said = installed.helm("test", "likewise", "--logs")
    assert "liked again, count: (True, 1)" in said
    assert "taken back, count: (False, 0)" in said


def test_a_failed_migration_ends_the_upgrade_with_its_reason_and_changes_nothing(installed: Namespace) -> None:
    before, kept = names(installed), secrets(installed)
    installed.sql("INSERT INTO migrations (number, phase, name) VALUES (9001, 'post', 'later')")
    try:
        with pytest.raises(CommandError) as refused:
            installed.install(**CHANGED)
    finally:
        installed.sql("DELETE FROM migrations WHERE number = 9001")
    assert "is past this image by migration 9001 post later" in str(refused.value)
    assert names(installed) == before
    assert installed.ready("api") == 2
    assert "LIKEWISE_COUNT_CACHE_MS" not in installed.get("configmap", "likewise")["data"]

    installed.install(**CHANGED)  # what was in the way is gone
    eventually(lambda: not names(installed) & before)
    assert secrets(installed) == kept


def test_a_rollback_that_the_old_image_refuses_changes_nothing(installed: Namespace) -> None:
    deployed = installed.get("deployment", "likewise-api")["spec"]["template"]
    installed.sql("INSERT INTO migrations (number, phase, name) VALUES (9001, 'post', 'later')")
    try:
        with pytest.raises(CommandError, match="is past this image by migration 9001"):
            installed.helm("rollback", "likewise", "1")
    finally:
        installed.sql("DELETE FROM migrations WHERE number = 9001")
    assert installed.get("deployment", "likewise-api")["spec"]["template"] == deployed


@pytest.mark.parametrize("account", ["likewise", "default"])
def test_the_pods_accounts_can_do_nothing(installed: Namespace, account: str) -> None:
    who = f"--as=system:serviceaccount:{installed.name}:{account}"
    rights = installed.kubectl("auth", "can-i", "--list", "--no-headers", who).splitlines()
    assert {line.split()[0] for line in rights if not line.startswith(" ")} <= {
        "selfsubjectreviews.authentication.k8s.io",
        "selfsubjectaccessreviews.authorization.k8s.io",
        "selfsubjectrulesreviews.authorization.k8s.io",
    }
    with pytest.raises(CommandError, match="Forbidden"):
        installed.kubectl("get", "pods", who)
