"""Build everything that `likewise-autoscaler run` needs."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from autoscaler.controller.journal import Journal
from autoscaler.controller.loop import ControlLoop, wall_clock
from autoscaler.controller.metrics import Metrics
from autoscaler.controller.observe import PodStartupTimer
from autoscaler.controller.reconcile import ApiPodsReconciler, FlushersReconciler, Reconciler
from autoscaler.controller.report import DRY_RUN
from autoscaler.controller.run_settings import RunSettings
from autoscaler.errors import ConfigurationError
from autoscaler.kubernetes.client import KubernetesApi
from autoscaler.kubernetes.events import EventRecorder
from autoscaler.kubernetes.leader_election import LeaderElector, LeaseTiming
from autoscaler.kubernetes.lease import KubernetesLease
from autoscaler.kubernetes.targets import ScaleTarget
from autoscaler.kubernetes.transport import connect
from autoscaler.policy.tuning import Tuning
from autoscaler.signals.prometheus import PrometheusSource
from autoscaler.signals.report_reader import ReportReader
from autoscaler.signals.signals import RedisSource, SignalSource
from service.errors import ConfigurationError as ServiceConfigurationError
from service.observability.metrics_server import serve_metrics
from service.redis_settings import RedisSettings


@dataclass(frozen=True, slots=True)
class Config:
    """All settings."""

    run: RunSettings
    redis: RedisSettings
    tuning: Tuning


@contextmanager
def build_controller(config: Config, *, dry_run: bool) -> Iterator[ControlLoop]:
    """Build the loop, serve its metrics and take part in the election. Raises ConfigurationError."""
    settings, identity = config.run, create_identity()
    with ExitStack() as stack:
        api = KubernetesApi(connect(settings.namespace, settings.request_s))
        stack.callback(api.close)
        elector = _build_elector(settings, identity, stack)
        source = _build_source(config)
        stack.callback(source.close)
        loop = _build_loop(config, api, source, identity, _WritePermission(elector, dry_run))
        _serve_metrics(settings, loop.metrics.registry, loop.is_live, stack)
        if not dry_run:
            elector.start()
            stack.callback(elector.close)
        yield loop


@dataclass(frozen=True, slots=True)
class _WritePermission:
    """Whether this replica may write, and why not."""

    elector: LeaderElector
    dry_run: bool

    def may_write(self) -> bool:
        return not self.dry_run and self.elector.is_leader

    def suppressed_by(self) -> str:
        if self.dry_run:
            return DRY_RUN
        return "" if self.elector.is_leader else f"{self.elector.holder or 'nobody'} leads"


def create_identity() -> str:
    """Return the identity of this start of this replica: the pod's name and a random part."""
    return f"{os.environ.get('HOSTNAME') or socket.gethostname()}_{os.urandom(4).hex()}"


def _build_elector(settings: RunSettings, identity: str, stack: ExitStack) -> LeaderElector:
    # A separate connection, so that a renewal waits for no other request.
    connection = connect(settings.namespace, settings.request_s)
    stack.callback(connection.close)
    timing = LeaseTiming(settings.lease_s, settings.renew_s, settings.request_s)
    return LeaderElector(KubernetesLease(connection, settings.lease), identity, timing)


def _build_source(config: Config) -> SignalSource:
    settings = config.run
    if settings.source == "redis":
        return RedisSource(ReportReader(config.redis))
    if "stale_s" not in config.tuning.model_fields_set:
        raise ConfigurationError(
            f"LIKEWISE_AUTOSCALER_STALE_S is {config.tuning.stale_s:g}: with source=prometheus set it above the scrape "
            "interval plus the delay of a scrape, as in 40 for an interval of 15 s"
        )
    return PrometheusSource(
        settings.prometheus_url,
        selector=settings.prometheus_selector,
        pod_label=settings.prometheus_pod_label,
        timeout_s=settings.request_s,
    )


def _build_loop(
    config: Config, api: KubernetesApi, source: SignalSource, identity: str, permission: _WritePermission
) -> ControlLoop:
    metrics = Metrics()
    return ControlLoop(
        source=source,
        reconcilers=_build_reconcilers(config, api, metrics, identity, permission.may_write),
        journal=Journal(api, config.run.decisions),
        events=EventRecorder(api, identity, permission.may_write),
        metrics=metrics,
        suppressed_by=permission.suppressed_by,
        every_s=config.run.every_s,
    )


def _build_reconcilers(
    config: Config, api: KubernetesApi, metrics: Metrics, identity: str, may_write: Callable[[], bool]
) -> dict[str, Reconciler]:
    settings = config.run

    def target(deployment: str, hpa: str = "") -> ScaleTarget:
        return ScaleTarget(api, deployment, hpa, identity=identity, backoff_s=settings.backoff_s, may_write=may_write)

    api_target = target(settings.deployment, settings.hpa)
    timer = PodStartupTimer(api, wall_clock)
    reconcilers: dict[str, Reconciler] = {
        settings.deployment: ApiPodsReconciler(api_target, timer, config.tuning, metrics, identity)
    }
    if settings.flushers:
        flushers = FlushersReconciler(target(settings.flushers), config.tuning, metrics, identity)
        reconcilers[settings.flushers] = flushers
    return reconcilers


def _serve_metrics(
    settings: RunSettings, registry: CollectorRegistry, is_live: Callable[[], bool], stack: ExitStack
) -> None:
    server = serve_metrics(
        settings.metrics_host, settings.metrics_port, registry, is_live, variable="LIKEWISE_AUTOSCALER_METRICS_PORT"
    )
    try:
        stack.enter_context(server)
    except ServiceConfigurationError as error:
        raise ConfigurationError(str(error)) from error
