"""The commands about stored data: `migrate` and `verify`."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from service.cli.settings import read_settings

if TYPE_CHECKING:
    from service.core.verify import ConsistencyReport


@click.command()
@click.option(
    "--phase",
    type=click.Choice(["pre", "post", "all"]),
    default="all",
    show_default=True,
    help="Run only the migrations before a deployment (pre) or after it (post).",
)
@click.option("--list", "only_list", is_flag=True, help="Print the migrations that are missing, and run none.")
@click.option("--accept-empty", is_flag=True, help="Set up an empty database even if the other databases hold likes.")
def migrate(phase: str, only_list: bool, accept_empty: bool) -> None:
    """Bring every database up to date.

    It is safe to run this twice.
    """
    from service.storage.postgres.migrate import migrate as run
    from service.storage.postgres.migrate import pending

    phases: Any = ("pre", "post") if phase == "all" else (phase,)
    settings = read_settings()
    lines = pending(settings, phases) if only_list else run(settings, phases, accept_empty=accept_empty)
    for line in lines or ([] if only_list else ["Every database is up to date."]):
        click.echo(line)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of sentences.")
def verify(as_json: bool) -> None:
    """Check that Redis, the stored counts and the stored likes agree.

    The exit code is 1 if they do not agree.
    """
    from service.bootstrap.stores import open_stores
    from service.core.verify import verify as compare

    with open_stores(read_settings(of_local_stack=True)) as stores:
        report = compare(stores.queue, stores.like_store, stores.settings.shards)
    if as_json:
        click.echo(json.dumps(asdict(report)))
    else:
        _print_report(report)
    sys.exit(1 if report.problems else 0)


def _print_report(report: "ConsistencyReport") -> None:
    from rich.console import Console

    console = Console(highlight=False)
    for problem in report.problems:
        console.print(f"[red]✗[/] {problem}", soft_wrap=True)
    verdict = "[red]they disagree[/]" if report.problems else "[green]they agree[/]"
    console.print(
        f"{report.likes:,} likes of {report.posts:,} posts in Postgres, {report.in_redis:,} posts in Redis, "
        f"{report.pending:,} likes pending: {verdict}"
    )
