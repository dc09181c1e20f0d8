"""The commands that work on a cluster. Exit codes: 0 done, 1 not so (a sentence says why), 2 wrong usage."""

import json
import re
import signal
import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from autoscaler.annotations import PREWARM, Wanted, is_paused, prewarm_of
from autoscaler.errors import ForbiddenError
from autoscaler.journal import KEY, Entry, read
from autoscaler.run_settings import RunSettings
from autoscaler.settings import read_settings, settings_from_environment

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
    from autoscaler.redis_settings import RedisSettings
    from autoscaler.running import Given, opened

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
    if as_json:
        kept = {"changes": [asdict(entry) for entry in changes[-most:]], "last": [asdict(entry) for entry in last]}
        click.echo(json.dumps(kept))
        return
    for entry in changes[-most:]:
        click.echo(_change(entry))
    for entry in last:
        click.echo(_now(entry))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of sentences.")
@_on_release
def status(as_json: bool, **where: str | None) -> None:
    """Print who leads, what is asked for, and what people have asked for."""
    settings = run_settings(**where)
    with _cluster(settings) as cluster:
        workload = cluster.deployment(settings.deployment)
        floor = cluster.floor(settings.hpa) if settings.hpa else None
        lease = _lease_record(settings)
        kept = cluster.kept(settings.decisions).get(KEY, "") if settings.decisions else ""
    wanted = prewarm_of(workload.annotations)
    silent_s = (datetime.now(UTC) - lease.renewed).total_seconds() if lease.renewed else None
    leads = bool(lease.holder) and silent_s is not None and silent_s < settings.lease_s + settings.renew_s
    said: dict[str, Any] = {
        "leader": lease.holder if leads else None, "deployment": workload.name, "replicas": workload.replicas,
        "ready": workload.ready, "floor": floor.least if floor else None, "ceiling": floor.most if floor else None,
        "paused": is_paused(workload.annotations),
        "prewarm": str(wanted) if wanted and wanted.until > datetime.now(UTC) else None,
        "last": [asdict(entry) for entry in read(kept)[1]] if kept else [],
    }  # fmt: skip
    click.echo(json.dumps(said) if as_json else _status(said))
    if not leads:
        raise click.ClickException("nobody leads: is an autoscaler running?")


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
        most = min(settings_from_environment().max_replicas, floor.most if floor else replicas)
        if replicas > most:
            whose = f"HPA {settings.hpa}" if floor and floor.most == most else "LIKEWISE_AUTOSCALER_MAX_REPLICAS"
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
    from autoscaler.lowering import lower as lower_floor

    settings = run_settings(**where)
    with _cluster(settings) as cluster:
        click.echo(lower_floor(cluster, _lease_record(settings), settings, settings_from_environment().min_replicas))


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


def _cluster(settings: RunSettings) -> Any:
    from contextlib import closing

    from autoscaler.cluster import Cluster
    from autoscaler.connection import connect

    return closing(Cluster(connect(settings.namespace, 10)))


def _lease_record(settings: RunSettings) -> Any:
    from contextlib import closing

    from autoscaler.connection import connect
    from autoscaler.lease import LeaseRecords

    with closing(connect(settings.namespace, 10)) as client:
        return LeaseRecords(client, settings.lease).read()


def _change(entry: Entry) -> str:
    done = entry.done or f"not done, {entry.current} to {entry.replicas}: {entry.held_back}"
    return f"{entry.at} {entry.deployment}: {done}\n    {entry.reason} (bound by {entry.limit})\n    {_why(entry)}"


def _now(entry: Entry) -> str:
    held_back = f"; {entry.held_back}" if entry.held_back else ""
    wanted = f", not {entry.replicas}" if entry.replicas != entry.current and not entry.done else ""
    has = entry.replicas if entry.done else entry.current
    return f"{entry.at} {entry.deployment}: at {has}{wanted}, {entry.reason}{held_back}\n    {_why(entry)}"


def _why(entry: Entry) -> str:
    parts = ", ".join(f"{name} {value:g}" for name, value in entry.demand.items() if value)
    candidates = ", ".join(f"{name} {value}" for name, value in entry.candidates.items() if value)
    return f"requests/s: {parts or 'none'}; a pod serves {entry.capacity:g}; pods: {candidates or 'none needed'}"


def _status(said: dict[str, Any]) -> str:
    bounds = "" if said["floor"] is None else f", HPA from {said['floor']} to {said['ceiling']}"
    lines = [
        f"leader: {said['leader'] or 'nobody'}",
        f"Deployment {said['deployment']}: {said['replicas']} asked for, {said['ready']} ready{bounds}",
    ]
    lines += ["paused by people"] if said["paused"] else []
    lines += [f"prewarmed: at least {said['prewarm']}"] if said["prewarm"] else []
    lines += [_now(Entry(**entry)) for entry in said["last"]]
    return "\n".join(lines)
