"""The commands of `likewise-autoscaler` against an API server over HTTP, with load reports in real Redis."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from autoscaler.cli import main
from autoscaler.kubernetes.annotations import PREWARM
from tests.support.autoscaler.kubernetes_server import NAMESPACE, KubernetesServer, serve
from tests.support.stack.servers import Servers


@pytest.fixture
def kubernetes(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesServer]:
    """Serve a cluster with an installation of the chart, and name it in KUBECONFIG."""
    with serve(tmp_path) as (running, config):
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        monkeypatch.setenv("KUBECONFIG", str(config))
        monkeypatch.setenv("LIKEWISE_REDIS_URLS", ",".join(servers.settings.redis_urls))
        monkeypatch.setenv("LIKEWISE_AUTOSCALER_METRICS_PORT", "0")
        monkeypatch.setenv("LIKEWISE_AUTOSCALER_EVERY_S", "0.05")
        running.add_installation()
        yield running


@pytest.fixture(autouse=True)
def _restore_signal_handlers() -> Iterator[None]:
    """Restore the signal handlers, which `run` replaces."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def command(*arguments: str) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(main, arguments)


def test_a_dry_run_writes_nothing(kubernetes: KubernetesServer) -> None:
    done = command("run", "--dry-run", "--rounds", "2")
    assert done.exit_code == 0, done.output
    assert kubernetes.writes == []
    assert kubernetes.lease() is None


def test_a_run_acquires_the_lease_and_releases_it(kubernetes: KubernetesServer) -> None:
    done = command("run", "--rounds", "3")
    assert done.exit_code == 0, done.output
    lease = kubernetes.lease()
    assert lease
    assert lease["spec"]["leaseTransitions"] == 1
    assert not lease["spec"]["holderIdentity"]
    assert kubernetes.deployment()["spec"]["replicas"] == 2


def test_the_error_names_a_missing_deployment(kubernetes: KubernetesServer) -> None:
    done = command("run", "--dry-run", "--rounds", "1", "--release", "shop")
    assert done.exit_code == 1
    assert f"Deployment shop-likewise-api in namespace {NAMESPACE}" in done.output


def test_prometheus_as_the_source_needs_a_larger_maximum_age(
    kubernetes: KubernetesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIKEWISE_AUTOSCALER_SOURCE", "prometheus")
    monkeypatch.setenv("LIKEWISE_AUTOSCALER_PROMETHEUS_URL", "http://127.0.0.1:1")
    done = command("run", "--dry-run", "--rounds", "1")
    assert done.exit_code == 1
    assert "LIKEWISE_AUTOSCALER_STALE_S is" in done.output
    monkeypatch.setenv("LIKEWISE_AUTOSCALER_STALE_S", "40")
    assert "STALE_S" not in command("run", "--dry-run", "--rounds", "1").output


def test_status_shows_the_pods_and_fails_without_a_leader(
    kubernetes: KubernetesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIKEWISE_AUTOSCALER_RENEW_S", "0.01")
    done = command("status", "--json")
    assert done.exit_code == 1
    assert "no replica leads" in done.output
    found = json.loads(done.output.splitlines()[0])
    assert (found["leader"], found["replicas"], found["ready"]) == (None, 2, 2)
    assert (found["min_replicas"], found["max_replicas"], found["paused"], found["prewarm"]) == (2, 10, False, None)
    assert "likewise-api" in command("status").output


def test_a_prewarm_is_an_annotation_within_the_hpas_limit(kubernetes: KubernetesServer) -> None:
    done = command("prewarm", "5", "--for", "20m")
    assert done.exit_code == 0, done.output
    assert kubernetes.deployment()["metadata"]["annotations"][PREWARM].startswith("5 ")
    refused = command("prewarm", "11", "--for", "20m")
    assert (refused.exit_code, "more than HPA likewise-api allows: 10" in refused.output) == (1, True)
    assert command("prewarm", "5", "--for", "soon").exit_code == 2


def test_explain_reports_that_there_are_no_decisions(kubernetes: KubernetesServer) -> None:
    done = command("explain")
    assert done.exit_code == 1
    assert "holds no decisions" in done.output


def test_without_a_cluster_the_commands_say_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    done = command("status")
    assert done.exit_code == 1
    assert "no cluster: run in a pod, or set KUBECONFIG" in done.output
