"""The autoscaler on a real API server: what it does to an HPA and a Deployment, and what it leaves alone."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from autoscaler.errors import ConflictError
from autoscaler.kubernetes.client import Cluster
from autoscaler.kubernetes.transport import connect
from tests.support.cluster.autoscalers import ACCOUNT, LEASE, NAME, Stage, account_of, rights
from tests.support.cluster.fake_load import Crowd, Pretending
from tests.support.cluster.kubectl import CommandError, eventually, namespace
from tests.support.servers import Servers


@pytest.fixture(scope="module")
def _stage(_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    root = tmp_path_factory.mktemp("scaling")
    with namespace("scaling") as space:
        space.apply(*rights())
        with account_of(space, root) as kubeconfig:
            yield Stage(space, _servers, root, kubeconfig)


@pytest.fixture
def stage(_stage: Stage, servers: Servers) -> Iterator[Stage]:
    """A Deployment with an HPA as after an installation, and no autoscaler yet."""
    _stage.reset()
    yield _stage
    for scaler in _stage.scalers:
        scaler.end(signal.SIGKILL)
    _stage.scalers.clear()


@contextmanager
def asked(stage: Stage, demand: float, pods: int = 2) -> Iterator[dict[str, float]]:
    """So many requests/s at so many pods, and more or less when the answer's `demand` is changed."""
    now = {"demand": demand}
    names = [f"pod-{at}" for at in range(pods)]
    with Pretending(Crowd.at(stage.servers.settings.redis_urls), lambda: names, lambda: now["demand"], 0.5):
        yield now


def test_a_spike_raises_floor_and_deployment_and_its_end_lowers_the_floor_alone(stage):
    stage.start()
    with asked(stage, 1_000) as now:
        eventually(lambda: stage.floor() == 2, 20)
        now["demand"] = 6_000
        eventually(lambda: stage.floor() >= 8, 10)
        eventually(lambda: stage.replicas() >= 8, 5)
        assert "likewise-autoscaler" in {one["manager"] for one in stage.hpa()["metadata"]["managedFields"]}
        now["demand"] = 500
        eventually(lambda: stage.floor() == 2, 40)
    described = stage.space.kubectl("describe", "hpa", NAME)
    assert "pods are needed" in described
    explained = stage.say("explain", "--last", "30")
    assert "floor 2 to" in explained
    assert "requests/s: arrivals" in explained
    assert "leader: one_" in stage.say("status")


def test_a_paused_leader_is_replaced_and_writes_no_more(stage):
    first = stage.start("one")
    with asked(stage, 1_000) as now:
        eventually(lambda: stage.leader() == "one", 15)
        eventually(lambda: stage.floor() == 2, 15)
        second = stage.start("two")
        eventually(lambda: '"lease watched"' in second.said() and '"leading"' not in second.said(), 10)
        first.pause()
        eventually(lambda: stage.leader() == "two", 15)
        now["demand"] = 6_000
        eventually(lambda: stage.floor() >= 8, 10)
        eventually(lambda: stage.hpa()["metadata"]["annotations"]["likewise/leader"].startswith("two_"), 5)
        first.resume()
        eventually(lambda: '"not leading"' in first.said(), 15)
        stage.stays(lambda: stage.hpa()["metadata"]["annotations"]["likewise/leader"].startswith("two_"), 2)
        second.end(signal.SIGKILL)
        eventually(lambda: stage.leader() == "one", 15)
        assert first.end() == 0
        assert stage.leader() == ""  # given back, so that the next need not wait


def test_what_was_read_before_another_wrote_can_not_be_written(stage):
    cluster = Cluster(connect(stage.space.name, 10))
    floor, workload = cluster.floor(NAME), cluster.deployment(NAME)
    stage.edit_floor(5)
    stage.annotate("some=thing")
    with pytest.raises(ConflictError, match=f"minReplicas of HPA {NAME}"):
        cluster.set_floor(floor, 9, {})
    with pytest.raises(ConflictError, match=f"scaling Deployment {NAME}"):
        cluster.scale(workload, 9)
    cluster.close()
    assert stage.floor() == 5


def test_a_persons_edit_is_said_left_alone_and_then_kept_as_the_base(stage):
    stage.start()
    with asked(stage, 4_000) as now:
        eventually(lambda: stage.floor() >= 5, 20)
        stage.edit_floor(3)
        eventually(lambda: stage.events("EditedByOther"), 10)
        assert "to 3 by somebody: left alone for 4 s" in stage.events("EditedByOther")[0]
        stage.stays(lambda: stage.floor() == 3, 2)
        eventually(lambda: stage.floor() >= 5, 15)
        now["demand"] = 100
        eventually(lambda: stage.floor() == 3, 40)
        assert stage.hpa()["metadata"]["annotations"]["likewise/base"] == "3"


def test_an_hpa_that_goes_and_comes_is_said_and_taken_up_again(stage):
    scaler = stage.start()
    with asked(stage, 4_000):
        eventually(lambda: stage.floor() >= 5, 20)
        hpa = stage.hpa()
        stage.space.kubectl("delete", "hpa", NAME, "--wait")
        eventually(lambda: f"HPA {NAME} in namespace scaling" in scaler.said(), 10)
        assert any("not found" in said for said in stage.events("CannotScale"))
        for name in ("resourceVersion", "uid", "managedFields", "creationTimestamp"):
            del hpa["metadata"][name]
        hpa["spec"]["minReplicas"], hpa["metadata"]["annotations"] = 1, {}
        stage.space.apply(json.dumps(hpa))
        eventually(lambda: stage.floor() >= 5, 15)


def test_people_ask_ahead_and_pause(stage):
    stage.start()
    with asked(stage, 500):
        eventually(lambda: stage.floor() == 2, 20)
        assert "kubectl annotate deployment likewise-api" in stage.say("prewarm", "12", "--for", "5m", code=1)
        assert "allows: 30" in stage.say("prewarm", "31", "--for", "5m", code=1, admin=True)
        assert "at least 12 until" in stage.say("prewarm", "12", "--for", "5m", admin=True, MAX_REPLICAS="10")
        eventually(lambda: (stage.floor(), stage.replicas()) == (12, 12), 10)
        assert stage.events("Prewarmed")
        stage.annotate("likewise/paused=true", "likewise/prewarm=15 until 2099-01-01T00:00:00Z")
        eventually(lambda: stage.events("Paused"), 10)
        stage.stays(lambda: stage.floor() == 12, 2)
        assert "paused by people" in stage.say("status")
        stage.annotate("likewise/paused-", "likewise/prewarm=lots")
        eventually(lambda: any("'lots'" in said for said in stage.events("PrewarmRefused")), 10)


def test_without_an_hpa_the_deployment_is_scaled_both_ways(stage):
    stage.space.kubectl("delete", "hpa", NAME)
    stage.start(HPA="")
    with asked(stage, 6_000) as now:
        eventually(lambda: stage.replicas() >= 8, 20)
        now["demand"] = 100
        eventually(lambda: stage.replicas() == 2, 40)
        assert stage.space.get("deployment", NAME)["metadata"].get("annotations", {}).get("likewise/leader") is None


def test_what_a_dead_one_left_is_lowered_by_another(stage):
    stage.start()
    with asked(stage, 6_000):
        eventually(lambda: stage.floor() >= 8, 20)
        assert "nothing to do" in stage.say("lower")
    stage.scalers[0].end(signal.SIGKILL)
    eventually(lambda: "to 2: no autoscaler has led" in stage.say("lower", LOST_S="2"), 30)
    assert stage.floor() == 2
    assert stage.events("FloorLowered")
    assert "nothing to do" in stage.say("lower", LOST_S="2")


def test_an_hpa_that_was_given_another_target_is_left_alone(stage):
    stage.start()
    with asked(stage, 6_000):
        eventually(lambda: stage.floor() >= 8, 20)
        patch = json.dumps({"spec": {"minReplicas": 3, "scaleTargetRef": {"name": "shop"}}})
        stage.space.kubectl("patch", "hpa", NAME, "--type=merge", "--field-manager=somebody", "-p", patch)
        eventually(lambda: any("scales Deployment/shop" in said for said in stage.events("CannotScale")), 10)
        stage.stays(lambda: stage.floor() == 3, 6)


def test_the_rights_are_for_these_objects_and_what_is_done_to_them(stage):
    def may(*what: str) -> bool:
        account = f"--as=system:serviceaccount:{stage.space.name}:{ACCOUNT}"
        try:
            return stage.space.kubectl("auth", "can-i", *what, account).strip() == "yes"
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
    ("settings", "sentence"),
    [
        ({"DEPLOYMENT": "nowhere"}, 'Deployment nowhere in namespace scaling: deployments.apps "nowhere"'),
        ({"NAMESPACE": "default"}, "is forbidden"),
        ({"MIN_REPLICAS": "50"}, "min_replicas 50 is above max_replicas 40"),
        ({"LEASE_S": "1"}, "must be below lease_s 1"),
    ],
)
def test_what_can_not_be_is_one_sentence_and_no_patch(stage, settings, sentence):
    said = stage.say("run", "--dry-run", "--rounds", "1", code=1, **settings)
    assert sentence in said.splitlines()[-1]
    assert "Traceback" not in said
    assert stage.floor() == 1


def test_dry_run_looks_and_changes_nothing(stage):
    with asked(stage, 6_000):
        eventually(lambda: "would go from 1 to" in stage.say("run", "--dry-run", "--rounds", "1"), 15)
    assert (stage.floor(), stage.replicas()) == (1, 1)
    assert "nobody leads" in stage.say("status", code=1)
