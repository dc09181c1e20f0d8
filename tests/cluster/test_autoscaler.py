"""Tests of the autoscaler on a real API server, with an HPA and a Deployment."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from autoscaler.errors import ConflictError
from autoscaler.kubernetes.annotations import BASELINE, LEADER, PAUSED, PREWARM
from autoscaler.kubernetes.client import KubernetesApi
from autoscaler.kubernetes.transport import connect
from tests.support.cluster.autoscaler_testbed import (
    ACCOUNT,
    LEASE,
    NAME,
    AutoscalerTestbed,
    kubeconfig_of_account,
    rbac_objects,
)
from tests.support.cluster.fake_load import FakeLoad, FakePods
from tests.support.cluster.kubectl import CommandError, eventually, namespace
from tests.support.stack.servers import Servers


@pytest.fixture(scope="module")
def _testbed(_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AutoscalerTestbed]:
    root = tmp_path_factory.mktemp("scaling")
    with namespace("scaling") as space:
        space.apply(*rbac_objects())
        with kubeconfig_of_account(space, root) as kubeconfig:
            yield AutoscalerTestbed(space, _servers, root, kubeconfig)


@pytest.fixture
def testbed(_testbed: AutoscalerTestbed, servers: Servers) -> Iterator[AutoscalerTestbed]:
    """Yield a Deployment with an HPA as after an installation, without an autoscaler."""
    _testbed.reset()
    yield _testbed
    for autoscaler in _testbed.autoscalers:
        autoscaler.end(signal.SIGKILL)
    _testbed.autoscalers.clear()


@contextmanager
def fake_load(testbed: AutoscalerTestbed, demand: float, pods: int = 2) -> Iterator[dict[str, float]]:
    """Report a demand in requests/s, shared by some pods. Change it with the key `demand` of the result."""
    now = {"demand": demand}
    names = [f"pod-{at}" for at in range(pods)]
    with FakeLoad(FakePods.at(testbed.servers.settings.redis_urls), lambda: names, lambda: now["demand"], 0.5):
        yield now


def test_a_spike_scales_up_and_its_end_lowers_only_min_replicas(testbed):
    testbed.start()
    with fake_load(testbed, 1_000) as now:
        eventually(lambda: testbed.min_replicas() == 2, 20)
        now["demand"] = 6_000
        eventually(lambda: testbed.min_replicas() >= 8, 10)
        eventually(lambda: testbed.replicas() >= 8, 5)
        assert "likewise-autoscaler" in {one["manager"] for one in testbed.hpa()["metadata"]["managedFields"]}
        now["demand"] = 500
        eventually(lambda: testbed.min_replicas() == 2, 40)
    description = testbed.space.kubectl("describe", "hpa", NAME)
    assert "pods are needed" in description
    explanation = testbed.run_command("explain", "--last", "30")
    assert "minReplicas 2 to" in explanation
    assert "requests/s: arrivals" in explanation
    assert "leader: one_" in testbed.run_command("status")


def test_a_stalled_leader_is_replaced_and_writes_no_more(testbed):
    first = testbed.start("one")
    with fake_load(testbed, 1_000) as now:
        eventually(lambda: testbed.leader() == "one", 15)
        eventually(lambda: testbed.min_replicas() == 2, 15)
        second = testbed.start("two")
        eventually(lambda: '"lease watched"' in second.log_text() and '"leading"' not in second.log_text(), 10)
        first.pause()
        eventually(lambda: testbed.leader() == "two", 15)
        now["demand"] = 6_000
        eventually(lambda: testbed.min_replicas() >= 8, 10)
        eventually(lambda: testbed.hpa()["metadata"]["annotations"][LEADER].startswith("two_"), 5)
        first.resume()
        eventually(lambda: '"not leading"' in first.log_text(), 15)
        testbed.assert_holds(lambda: testbed.hpa()["metadata"]["annotations"][LEADER].startswith("two_"), 2)
        second.end(signal.SIGKILL)
        eventually(lambda: testbed.leader() == "one", 15)
        assert first.end() == 0
        # The lease is released, so that the next leader need not wait.
        assert testbed.leader() == ""


def test_a_write_based_on_stale_data_conflicts(testbed):
    api = KubernetesApi(connect(testbed.space.name, 10))
    hpa, workload = api.hpa(NAME), api.deployment(NAME)
    testbed.set_min_replicas(5)
    testbed.annotate("some=thing")
    with pytest.raises(ConflictError, match=f"minReplicas of HPA {NAME}"):
        api.set_min_replicas(hpa, 9, {})
    with pytest.raises(ConflictError, match=f"scaling Deployment {NAME}"):
        api.scale(workload, 9)
    api.close()
    assert testbed.min_replicas() == 5


def test_an_operators_change_is_reported_respected_and_becomes_the_baseline(testbed):
    testbed.start()
    with fake_load(testbed, 4_000) as now:
        eventually(lambda: testbed.min_replicas() >= 5, 20)
        testbed.set_min_replicas(3)
        eventually(lambda: testbed.events("ExternalChange"), 10)
        assert "to 3 by somebody: left alone for 4 s" in testbed.events("ExternalChange")[0]
        testbed.assert_holds(lambda: testbed.min_replicas() == 3, 2)
        eventually(lambda: testbed.min_replicas() >= 5, 15)
        now["demand"] = 100
        eventually(lambda: testbed.min_replicas() == 3, 40)
        assert testbed.hpa()["metadata"]["annotations"][BASELINE] == "3"


def test_a_deleted_and_recreated_hpa_is_scaled_again(testbed):
    autoscaler = testbed.start()
    with fake_load(testbed, 4_000):
        eventually(lambda: testbed.min_replicas() >= 5, 20)
        hpa = testbed.hpa()
        testbed.space.kubectl("delete", "hpa", NAME, "--wait")
        eventually(lambda: f"HPA {NAME} in namespace scaling" in autoscaler.log_text(), 10)
        assert any("not found" in log_text for log_text in testbed.events("CannotScale"))
        for name in ("resourceVersion", "uid", "managedFields", "creationTimestamp"):
            del hpa["metadata"][name]
        hpa["spec"]["minReplicas"], hpa["metadata"]["annotations"] = 1, {}
        testbed.space.apply(json.dumps(hpa))
        eventually(lambda: testbed.min_replicas() >= 5, 15)


def test_operators_prewarm_and_pause(testbed):
    testbed.start()
    with fake_load(testbed, 500):
        eventually(lambda: testbed.min_replicas() == 2, 20)
        assert "kubectl annotate deployment likewise-api" in testbed.run_command("prewarm", "12", "--for", "5m", code=1)
        assert "allows: 30" in testbed.run_command("prewarm", "31", "--for", "5m", code=1, admin=True)
        assert "at least 12 until" in testbed.run_command("prewarm", "12", "--for", "5m", admin=True, MAX_REPLICAS="10")
        eventually(lambda: (testbed.min_replicas(), testbed.replicas()) == (12, 12), 10)
        assert testbed.events("Prewarmed")
        testbed.annotate(f"{PAUSED}=true", f"{PREWARM}=15 until 2099-01-01T00:00:00Z")
        eventually(lambda: testbed.events("Paused"), 10)
        testbed.assert_holds(lambda: testbed.min_replicas() == 12, 2)
        assert "paused by an operator" in testbed.run_command("status")
        testbed.annotate(f"{PAUSED}-", f"{PREWARM}=lots")
        eventually(lambda: any("'lots'" in log_text for log_text in testbed.events("PrewarmRefused")), 10)


def test_without_an_hpa_the_deployment_is_scaled_up_and_down(testbed):
    testbed.space.kubectl("delete", "hpa", NAME)
    testbed.start(HPA="")
    with fake_load(testbed, 6_000) as now:
        eventually(lambda: testbed.replicas() >= 8, 20)
        now["demand"] = 100
        eventually(lambda: testbed.replicas() == 2, 40)
        assert testbed.space.get("deployment", NAME)["metadata"].get("annotations", {}).get(LEADER) is None


def test_the_floor_of_a_dead_autoscaler_is_reset(testbed):
    testbed.start()
    with fake_load(testbed, 6_000):
        eventually(lambda: testbed.min_replicas() >= 8, 20)
        assert "nothing to do" in testbed.run_command("reset-floor")
    testbed.autoscalers[0].end(signal.SIGKILL)
    eventually(lambda: "to 2: no autoscaler has led" in testbed.run_command("reset-floor", LEADERLESS_S="2"), 30)
    assert testbed.min_replicas() == 2
    assert testbed.events("FloorReset")
    assert "nothing to do" in testbed.run_command("reset-floor", LEADERLESS_S="2")


def test_an_hpa_with_another_target_is_left_alone(testbed):
    testbed.start()
    with fake_load(testbed, 6_000):
        eventually(lambda: testbed.min_replicas() >= 8, 20)
        patch = json.dumps({"spec": {"minReplicas": 3, "scaleTargetRef": {"name": "shop"}}})
        testbed.space.kubectl("patch", "hpa", NAME, "--type=merge", "--field-manager=somebody", "-p", patch)
        eventually(lambda: any("scales Deployment/shop" in log_text for log_text in testbed.events("CannotScale")), 10)
        testbed.assert_holds(lambda: testbed.min_replicas() == 3, 6)


def test_permissions_are_limited_to_named_objects(testbed):
    def may(*arguments: str) -> bool:
        account = f"--as=system:serviceaccount:{testbed.space.name}:{ACCOUNT}"
        try:
            return testbed.space.kubectl("auth", "can-i", *arguments, account).strip() == "yes"
        except CommandError:
            return False

    for allowed in (("patch", f"hpa/{NAME}"), ("get", f"deployments/{NAME}"), ("update", f"leases/{LEASE}")):
        assert may(*allowed), allowed
    assert may("patch", f"deployments/{NAME}", "--subresource=scale")
    for refused in (
        ("patch", f"deployments/{NAME}"),
        ("patch", "deployments/another", "--subresource=scale"),
        ("patch", "hpa/another"),
        ("delete", f"hpa/{NAME}"),
        ("list", "hpa"),
        ("update", "leases/another"),
        ("create", "leases"),
        ("get", "secrets"),
        ("create", "pods"),
    ):
        assert not may(*refused), refused


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"DEPLOYMENT": "nowhere"}, 'Deployment nowhere in namespace scaling: deployments.apps "nowhere"'),
        ({"NAMESPACE": "default"}, "is forbidden"),
        ({"MIN_REPLICAS": "50"}, "min_replicas 50 is above max_replicas 40"),
        ({"LEASE_S": "1"}, "must be below lease_s 1"),
    ],
)
def test_errors_are_one_sentence_and_change_nothing(testbed, settings, message):
    log_text = testbed.run_command("run", "--dry-run", "--rounds", "1", code=1, **settings)
    assert message in log_text.splitlines()[-1]
    assert "Traceback" not in log_text
    assert testbed.min_replicas() == 1


def test_a_dry_run_changes_nothing(testbed):
    with fake_load(testbed, 6_000):
        eventually(lambda: "would go from 1 to" in testbed.run_command("run", "--dry-run", "--rounds", "1"), 15)
    assert (testbed.min_replicas(), testbed.replicas()) == (1, 1)
    assert "no replica leads" in testbed.run_command("status", code=1)
