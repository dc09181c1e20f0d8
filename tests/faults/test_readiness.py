"""Readiness of a pod while Redis nodes die, hang and return."""

import math
import signal
import time
from collections.abc import Iterator

import pytest

from service.bootstrap.stores import Stores
from service.core.readiness import Readiness
from tests.support.stack.faults import forbid_promotion, primaries
from tests.support.stack.servers import Servers
from tests.support.waiting import wait_for

UNREADY_AFTER_S = 2.5


@pytest.fixture
def pod(stores: Stores) -> Iterator[Readiness]:
    """Yield the readiness of a pod, with its checks running."""
    readiness = Readiness(stores.counter, stores.like_store, unready_after_s=UNREADY_AFTER_S)
    assert readiness.state().name == "starting"
    assert stores.counter.last_answer_age_s() == math.inf
    readiness.start()
    wait_for(lambda: readiness.state().name == "ready")
    yield readiness
    readiness.close()


def send_signal(servers: Servers, ports: list[int], how: signal.Signals) -> None:
    assert servers.valkey
    for port, process in zip(servers.valkey.ports, servers.valkey.processes, strict=True):
        if port in ports:
            process.send_signal(how)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_pod_stays_ready_without_one_primary_and_names_it(servers: Servers, stores: Stores, pod, how):
    assert servers.valkey
    forbid_promotion(servers.valkey)
    broken = primaries(stores)[0]
    send_signal(servers, [broken], how)
    wait_for(lambda: pod.state().failing == ["redis"])
    noticed_at = time.monotonic()
    wait_for(lambda: stores.counter.last_answer_age_s() < 1 and time.monotonic() > noticed_at + UNREADY_AFTER_S)
    assert pod.state().name == "degraded"
    assert f":{broken}" in " ".join(pod.state().parts["redis"])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_pod_without_redis_is_not_ready(servers: Servers, stores: Stores, pod, how):
    assert servers.valkey
    send_signal(servers, servers.valkey.ports, how)
    wait_for(lambda: pod.state().failing == ["redis"])
    # A short silence is tolerated.
    assert pod.state().ready
    wait_for(lambda: pod.state().name == "unavailable")
    assert pod.state().part == "redis"
    assert stores.counter.last_answer_age_s() >= UNREADY_AFTER_S


def test_a_pod_without_requests_becomes_ready_again(servers: Servers, stores: Stores, pod):
    assert servers.valkey
    send_signal(servers, servers.valkey.ports, signal.SIGSTOP)
    wait_for(lambda: pod.state().name == "unavailable")
    send_signal(servers, servers.valkey.ports, signal.SIGCONT)
    wait_for(lambda: pod.state().name == "ready", 30)
