"""`likewise-autoscaler run`: everything put together."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from autoscaler.controller.journal import Journal
from autoscaler.controller.loop import DRY_RUN, Loop, wall_clock
from autoscaler.controller.metrics import Metrics
from autoscaler.controller.observe import Lead
from autoscaler.controller.reconcile import ApiPods, Flushers, Steered
from autoscaler.controller.run_settings import RunSettings
from autoscaler.errors import ConfigurationError
from autoscaler.kubernetes.client import Cluster
from autoscaler.kubernetes.events import Events
from autoscaler.kubernetes.lease import Lease, LeaseRecords, Times
from autoscaler.kubernetes.targets import Target
from autoscaler.kubernetes.transport import connect
from autoscaler.policy.tuning import Tuning
from autoscaler.signals.prometheus import PrometheusSource
from autoscaler.signals.redis_signals import SignalHashes
from autoscaler.signals.signals import RedisSource, Source
from service.errors import ConfigurationError as ServiceConfigurationError
from service.observability.metrics_server import serve_metrics
from service.redis_settings import RedisSettings


@dataclass(frozen=True, slots=True)
class Given:
    """All settings."""

    run: RunSettings
    redis: RedisSettings
    tuning: Tuning


@contextmanager
def opened(given: Given, *, dry_run: bool) -> Iterator[Loop]:
    """The loop, with its lease and its port. Raises ConfigurationError."""
    settings, me = given.run, identity()
    with ExitStack() as stack:
        cluster = _cluster(settings, stack)
        lease = _lease(settings, me, stack)
        source = _source(given)
        stack.callback(source.close)
        loop = _loop(given, cluster, source, me, _Leading(lease, dry_run))
        registry = loop.metrics.registry
        _serve_metrics(settings, registry, loop.is_live, stack)
        if not dry_run:
            lease.start()
            stack.callback(lease.close)
        yield loop


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


@dataclass(frozen=True, slots=True)
class _Leading:
    """Whether anything may be done, and why not."""

    lease: Lease
    dry_run: bool

    def may_write(self) -> bool:
        return not self.dry_run and self.lease.held

    def why_not(self) -> str:
        if self.dry_run:
            return DRY_RUN
        return "" if self.lease.held else f"{self.lease.holder or 'nobody'} leads"


def _loop(given: Given, cluster: Cluster, source: Source, me: str, leading: _Leading) -> Loop:
    metrics = Metrics()
    return Loop(
        source=source,
        steered=_steered(given, cluster, metrics, me, leading.may_write),
        journal=Journal(cluster, given.run.decisions),
        events=Events(cluster, me, leading.may_write),
        metrics=metrics,
        why_not=leading.why_not,
        every_s=given.run.every_s,
    )


def identity() -> str:
    """Of this replica, and of this start of it: the pod's name, and a random part."""
    return f"{os.environ.get('HOSTNAME') or socket.gethostname()}_{os.urandom(4).hex()}"


def _cluster(settings: RunSettings, stack: ExitStack) -> Cluster:
    cluster = Cluster(connect(settings.namespace, settings.request_s))
    stack.callback(cluster.close)
    return cluster


def _lease(settings: RunSettings, me: str, stack: ExitStack) -> Lease:
    client = connect(settings.namespace, settings.request_s)  # its own: renewing waits for nothing else
    stack.callback(client.close)
    times = Times(settings.lease_s, settings.renew_s, settings.request_s)
    return Lease(LeaseRecords(client, settings.lease), me, times)


def _source(given: Given) -> Source:
    settings = given.run
    if settings.source == "redis":
        return RedisSource(SignalHashes(given.redis))
    if "stale_s" not in given.tuning.model_fields_set:
        raise ConfigurationError(
            f"LIKEWISE_AUTOSCALER_STALE_S is {given.tuning.stale_s:g}: with source=prometheus set it, above the "
            "scrape interval and what a scrape may be late: 40 for one of 15 s"
        )
    return PrometheusSource(
        settings.prometheus_url,
        selector=settings.prometheus_selector,
        pod_label=settings.prometheus_pod_label,
        timeout_s=settings.request_s,
    )


def _steered(
    given: Given, cluster: Cluster, metrics: Metrics, me: str, may_write: Callable[[], bool]
) -> dict[str, Steered]:
    settings = given.run

    def target(deployment: str, hpa: str = "") -> Target:
        return Target(cluster, deployment, hpa, me=me, yield_s=settings.yield_s, may_write=may_write)

    api = ApiPods(target(settings.deployment, settings.hpa), Lead(cluster, wall_clock), given.tuning, metrics, me)
    steered: dict[str, Steered] = {settings.deployment: api}
    if settings.flushers:
        steered[settings.flushers] = Flushers(target(settings.flushers), given.tuning, metrics, me)
    return steered
