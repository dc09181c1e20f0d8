"""The commands that work on a cluster. Exit codes: 0 done, 1 not so (a sentence says why), 2 wrong usage."""

import json
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from autoscaler.controller.explain import Wording
from autoscaler.controller.journal import KEY, Keeper, read
from autoscaler.controller.run_settings import RunSettings
from autoscaler.errors import ForbiddenError, JournalError
from autoscaler.kubernetes.annotations import PREWARM, Wanted, is_paused, prewarm_of
from autoscaler.kubernetes.presence import leader
from autoscaler.settings import read_settings, settings_from_environment

if TYPE_CHECKING:
    from autoscaler.kubernetes.client import Cluster
    from autoscaler.kubernetes.lease import LeaseRecords

_REQUEST_S = 10.0  # people wait longer for an answer than a loop does
_UNITS_S = {"s": 1, "m": 60, "h": 3600}


def _on_release(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say which installation is meant."""
    release = click.option("--release", default=None, help="Its Helm release.  [default: likewise]")
    namespace = click.option("--namespace", "-n", default=None, help="Where it is.  [default: KUBECONFIG's]")
    return release(namespace(command))


@click.command()
@click.option("--dry-run", is_flag=True, help="Look and decide, and change nothing; no lease, no Events.")
@click.option("--rounds", type=click.IntRange(1), help="End after so many decisions.  [default: run until SIGTERM]")
@_on_release
def run(dry_run: bool, rounds: int | None, **where: str | None) -> None:
    """Scale until SIGTERM; of several that run, one leads."""
    from autoscaler.controller.bootstrap import Given, opened
    from service.redis_settings import RedisSettings

    given = Given(run_settings(**where), read_settings(RedisSettings), settings_from_environment())
    stopped = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopped.set())
    with opened(given, dry_run=dry_run) as loop:
        loop.run(stopped, rounds or 0)
        if rounds and loop.trouble:
            raise click.ClickException(loop.trouble)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of sentences.")
@click.option("--last", "most", type=click.IntRange(1), default=10, show_default=True, help="So many changes.")
@_on_release
def explain(as_json: bool, most: int, **where: str | None) -> None:
    """Print the last changes and why, then how it stands now."""
    settings = run_settings(**where)
    with _cluster(settings) as cluster:
        text = cluster.kept(settings.decisions).get(KEY, "")
    if not text:
        raise click.ClickException(f"ConfigMap {settings.decisions} holds no decisions: has an autoscaler led yet?")
    changes, last = read(text)
    changes = changes[-most:]
    if as_json:
        kept = {"changes": [asdict(entry) for entry in changes], "last": [asdict(entry) for entry in last]}
        click.echo(json.dumps(kept))
        return
    words = Wording(settings.flushers)
    click.echo("\n".join([*map(words.change, changes), *map(words.stand, last)]))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of sentences.")
@_on_release
def status(as_json: bool, **where: str | None) -> None:
    """Print who leads, what is asked for, and what people have asked for."""
    settings = run_settings(**where)
    with _cluster(settings) as cluster, _lease(settings) as records:
        leading = leader(records.read, datetime.now(UTC), settings.renew_s)
        said = {"leader": leading or None, **_standing(cluster, settings), **last_words(cluster, settings)}
    click.echo(json.dumps(said) if as_json else Wording(settings.flushers).status(said))
    if not leading:
        raise click.ClickException("nobody leads: is an autoscaler running?")


def _standing(cluster: "Cluster", settings: RunSettings) -> dict[str, Any]:
    workload = cluster.deployment(settings.deployment)
    floor = cluster.floor(settings.hpa) if settings.hpa else None
    wanted = prewarm_of(workload.annotations)
    return {
        "deployment": workload.name, "replicas": workload.replicas, "ready": workload.ready,
        "floor": floor.least if floor else None, "ceiling": floor.most if floor else None,
        "paused": is_paused(workload.annotations),
        "prewarm": str(wanted) if wanted and wanted.until > datetime.now(UTC) else None,
    }  # fmt: skip


def last_words(cluster: Keeper, settings: RunSettings) -> dict[str, Any]:
    """The last word on each Deployment; while releases change, what is kept may be of another form."""
    kept = cluster.kept(settings.decisions).get(KEY, "") if settings.decisions else ""
    try:
        return {"last": [asdict(entry) for entry in read(kept)[1]] if kept else [], "unreadable": None}
    except JournalError as error:
        return {"last": [], "unreadable": str(error)}


@click.command()
@click.argument("replicas", type=click.IntRange(1))
@click.option("--for", "duration", required=True, metavar="TIME", help="For how long: 20m, 2h.")
@_on_release
def prewarm(replicas: int, duration: str, **where: str | None) -> None:
    """Ask for at least REPLICAS pods for a while, ahead of a post that is announced."""
    settings = run_settings(**where)
    wanted = Wanted(replicas, datetime.now(UTC) + parse_duration(duration))
    with _cluster(settings) as cluster:
        floor = cluster.floor(settings.hpa) if settings.hpa else None
        most = floor.most if floor else settings_from_environment().max_replicas
        if replicas > most:
            whose = f"HPA {settings.hpa}" if floor else "LIKEWISE_AUTOSCALER_MAX_REPLICAS"
            raise click.ClickException(f"{replicas} pods are more than {whose} allows: {most}")
        try:
            cluster.annotate(settings.deployment, {PREWARM: str(wanted)})
        except ForbiddenError as error:
            by_hand = f"kubectl annotate deployment {settings.deployment} --overwrite '{PREWARM}={wanted}'"
            raise click.ClickException(f"{error}; whoever may change it can run: {by_hand}") from error
    click.echo(f"Deployment {settings.deployment}: at least {wanted}")


@click.command()
@_on_release
def lower(**where: str | None) -> None:
    """Take the HPA's floor back to the base where no autoscaler has led for a while; for a CronJob."""
    from autoscaler.controller.reset_floor import lower as lower_floor

    settings = run_settings(**where)
    with _cluster(settings) as cluster, _lease(settings) as records:
        click.echo(lower_floor(cluster, records.read, settings, settings_from_environment().min_replicas))


COMMANDS = (run, explain, status, prewarm, lower)


def run_settings(namespace: str | None = None, release: str | None = None) -> RunSettings:
    """From the environment; what is given goes before it. Raises ConfigurationError."""
    given = {"namespace": namespace} if namespace else {}
    if release:  # the names that the chart gives
        name = release if "likewise" in release else f"{release}-likewise"
        own = f"{name}-autoscaler"
        given |= {"deployment": f"{name}-api", "hpa": f"{name}-api", "flushers": f"{name}-flusher"}
        given |= {"lease": own, "decisions": own}
    return read_settings(RunSettings, **given)


def parse_duration(text: str) -> timedelta:
    """From `20m`, `90s` or `2h`. Raises click.BadParameter."""
    found = re.fullmatch(r"(\d{1,6})([smh])", text)
    if not found or not int(found[1]):
        raise click.BadParameter(f"{text!r} is no time; give it as 90s, 20m or 2h", param_hint="--for")
    return timedelta(seconds=int(found[1]) * _UNITS_S[found[2]])


@contextmanager
def _cluster(settings: RunSettings) -> "Iterator[Cluster]":
    from autoscaler.kubernetes.client import Cluster
    from autoscaler.kubernetes.transport import connect

    with closing(Cluster(connect(settings.namespace, _REQUEST_S))) as cluster:
        yield cluster


@contextmanager
def _lease(settings: RunSettings) -> "Iterator[LeaseRecords]":
    from autoscaler.kubernetes.lease import LeaseRecords
    from autoscaler.kubernetes.transport import connect

    with closing(connect(settings.namespace, _REQUEST_S)) as client:
        yield LeaseRecords(client, settings.lease)
