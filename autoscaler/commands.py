"""The commands that work on a cluster.

Exit codes: 0 for success, 1 for a failure that a sentence explains, 2 for wrong usage.
"""

import json
import re
import signal
import threading
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from autoscaler.controller.explain import Explainer
from autoscaler.controller.journal import KEY, ConfigMapStore, parse
from autoscaler.controller.run_settings import RunSettings
from autoscaler.errors import ForbiddenError, JournalError
from autoscaler.installation import connected_api, connected_lease, run_settings, with_installation
from autoscaler.kubernetes.annotations import PREWARM, PrewarmRequest, is_paused, prewarm_of, updated
from autoscaler.kubernetes.lease_watch import find_leader
from autoscaler.settings import read_settings, settings_from_environment

if TYPE_CHECKING:
    from autoscaler.kubernetes.client import KubernetesApi

_UNITS_S = {"s": 1, "m": 60, "h": 3600}


@click.command()
@click.option(
    "--dry-run", is_flag=True, help="Observe and decide only: take no lease, change nothing, create no Events."
)
@click.option(
    "--rounds", type=click.IntRange(1), help="End after this number of decisions.  [default: run until SIGTERM]"
)
@with_installation
def run(dry_run: bool, rounds: int | None, **installation: str | None) -> None:
    """Scale until SIGTERM. Only one of several running replicas is the leader and scales."""
    from autoscaler.controller.bootstrap import Config, build_controller
    from service.redis_settings import RedisSettings

    config = Config(run_settings(**installation), read_settings(RedisSettings), settings_from_environment())
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with build_controller(config, dry_run=dry_run) as loop:
        loop.run(stopped, rounds or 0)
        if rounds and loop.first_error:
            raise click.ClickException(loop.first_error)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of sentences.")
@click.option("--last", "count", type=click.IntRange(1), default=10, show_default=True, help="Number of changes.")
@with_installation
def explain(as_json: bool, count: int, **installation: str | None) -> None:
    """Print the last changes with their reasons.

    The current state of each Deployment is printed last.
    """
    settings = run_settings(**installation)
    with connected_api(settings) as api:
        text = api.read_config_map(settings.decisions).get(KEY, "")
    if not text:
        raise click.ClickException(f"ConfigMap {settings.decisions} holds no decisions: has an autoscaler led yet?")
    changes, last = parse(text)
    changes = changes[-count:]
    if as_json:
        stored = {"changes": [asdict(entry) for entry in changes], "last": [asdict(entry) for entry in last]}
        click.echo(json.dumps(stored))
        return
    explainer = Explainer(settings.flushers)
    click.echo("\n".join([*map(explainer.explain_change, changes), *map(explainer.explain_state, last)]))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of sentences.")
@with_installation
def status(as_json: bool, **installation: str | None) -> None:
    """Print the leader and the number of pods.

    The output also has the pauses and prewarm requests of operators, and the last decision on each Deployment. The exit
    code is 1 if no replica leads.
    """
    settings = run_settings(**installation)
    with connected_api(settings) as api, connected_lease(settings) as lease:
        leader = find_leader(lease.read, datetime.now(UTC), settings.renew_s)
        found = {"leader": leader or None, **_state_of(api, settings), **last_decisions(api, settings)}
    click.echo(json.dumps(found) if as_json else Explainer(settings.flushers).explain_status(found))
    if not leader:
        raise click.ClickException("no replica leads: is an autoscaler running?")


def _state_of(api: "KubernetesApi", settings: RunSettings) -> dict[str, Any]:
    workload = api.deployment(settings.deployment)
    hpa = api.hpa(settings.hpa) if settings.hpa else None
    request = prewarm_of(workload.annotations)
    return {
        "deployment": workload.name, "replicas": workload.replicas, "ready": workload.ready,
        "min_replicas": hpa.min_replicas if hpa else None, "max_replicas": hpa.max_replicas if hpa else None,
        "paused": is_paused(workload.annotations),
        "prewarm": str(request) if request and request.until > datetime.now(UTC) else None,
    }  # fmt: skip


def last_decisions(store: ConfigMapStore, settings: RunSettings) -> dict[str, Any]:
    """Return the last decision on each Deployment, or why it cannot be read: another release may have stored it."""
    text = store.read_config_map(settings.decisions).get(KEY, "") if settings.decisions else ""
    try:
        return {"last": [asdict(entry) for entry in parse(text)[1]] if text else [], "unreadable": None}
    except JournalError as error:
        return {"last": [], "unreadable": str(error)}


@click.command()
@click.argument("replicas", type=click.IntRange(1))
@click.option("--for", "duration", required=True, metavar="TIME", help="Duration of the request, as in 20m or 2h.")
@with_installation
def prewarm(replicas: int, duration: str, **installation: str | None) -> None:
    """Request at least REPLICAS pods for a limited time.

    Use it before an announced post appears. The command writes an annotation to the API's Deployment.
    """
    settings = run_settings(**installation)
    request = PrewarmRequest(replicas, datetime.now(UTC) + parse_duration(duration))
    with connected_api(settings) as api:
        hpa = api.hpa(settings.hpa) if settings.hpa else None
        most = hpa.max_replicas if hpa else settings_from_environment().max_replicas
        if replicas > most:
            limit = f"HPA {settings.hpa}" if hpa else "LIKEWISE_AUTOSCALER_MAX_REPLICAS"
            raise click.ClickException(f"{replicas} pods are more than {limit} allows: {most}")
        try:
            api.annotate(settings.deployment, updated({PREWARM: str(request)}))
        except ForbiddenError as error:
            by_hand = f"kubectl annotate deployment {settings.deployment} --overwrite '{PREWARM}={request}'"
            raise click.ClickException(f"{error}. Somebody with that permission can run: {by_hand}") from error
    click.echo(f"Deployment {settings.deployment}: at least {request}")


@click.command("reset-floor")
@with_installation
def reset_floor(**installation: str | None) -> None:
    """Reset the HPA's minReplicas if no autoscaler leads.

    It sets minReplicas back to the baseline once no autoscaler has led for a while. A CronJob runs this command.
    """
    from autoscaler.controller.reset_floor import reset_floor as reset

    settings = run_settings(**installation)
    with connected_api(settings) as api, connected_lease(settings) as lease:
        click.echo(reset(api, lease.read, settings, settings_from_environment().min_replicas))


@click.command("lower", hidden=True)
@with_installation
@click.pass_context
def lower(context: click.Context, /, **installation: str | None) -> None:
    """Run `reset-floor`, by its name of the release before this one."""
    click.echo("Warning: lower was renamed to reset-floor. The old name still works in this release.", err=True)
    context.invoke(reset_floor, **installation)


COMMANDS = (run, explain, status, prewarm, reset_floor, lower)


def parse_duration(text: str) -> timedelta:
    """Parse `20m`, `90s` or `2h`. Raises click.BadParameter."""
    found = re.fullmatch(r"(\d{1,6})([smh])", text)
    if not found or not int(found[1]):
        raise click.BadParameter(f"{text!r} is not a duration; write it as 90s, 20m or 2h", param_hint="--for")
    return timedelta(seconds=int(found[1]) * _UNITS_S[found[2]])
