"""The command `capacity`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.cli.settings import read_settings, read_toml_file
from service.cost.capacity import Plan

if TYPE_CHECKING:
    from service.cost.capacity_table import CapacityTable
    from service.cost.figures import Figures

# Fields of a plan that are settings of the service.
_SETTINGS = ("postgres_pool", "queue_bytes", "shards")
_DEFAULTS = Plan(likes_per_second=0)
_FILE = click.Path(path_type=Path)
_SHARE = click.FloatRange(0, 1)
_COUNT = click.IntRange(1)
_PLAN_OPTIONS: dict[str, tuple[click.ParamType[Any], str]] = {
    "one_post_share": (_SHARE, "Share of the likes that are for one post."),
    "utilization": (click.FloatRange(0, 1, min_open=True), "Share of each part's CPU to use."),
    "workers": (_COUNT, "Workers of an API pod."),
    "database_cores": (_COUNT, "Cores of a Postgres server."),
    "database_disk_mb_s": (_COUNT, "Write-ahead log that the disk of a Postgres server takes, in MB/s."),
    "max_pods": (_COUNT, "Maximum number of API pods."),
    "max_flushers": (_COUNT, "Maximum number of flushers."),
    "max_connections": (_COUNT, "Maximum number of connections of a database."),
    "max_redis_clients": (_COUNT, "Maximum number of clients of a Redis primary."),
}


def _with_plan_options(function: Callable[..., None]) -> Callable[..., None]:
    for name, (kind, text) in reversed(_PLAN_OPTIONS.items()):
        option = f"--{name.replace('_', '-')}"
        metavar = "N" if kind is _COUNT else "SHARE"
        default = getattr(_DEFAULTS, name)
        function = click.option(option, type=kind, default=default, show_default=True, metavar=metavar, help=text)(
            function
        )
    return function


@click.command()
@click.option(
    "--likes-per-second",
    "rates",
    type=click.IntRange(1, 100_000_000),
    multiple=True,
    metavar="N",
    help="Rate to size for. Repeat the option for several rates.  [default: 1000, 10000, 100000 and 1000000]",
)
@_with_plan_options
@click.option("--figures", type=_FILE, metavar="FILE", help="TOML file with your own figures of a like.")
@click.option("--prices", type=_FILE, metavar="FILE", help="TOML file of prices, for the price of a day.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def capacity(rates: tuple[int, ...], figures: Path | None, prices: Path | None, as_json: bool, **options: Any) -> None:
    """Estimate what a rate of likes needs, and which limit it reaches first.

    The estimate follows from the cost of one like. The connection pool, the size of the queue and the number of shards
    are those of the settings. The other defaults are those of the chart.
    """
    from service.cost.capacity_table import RATES, capacity_json, capacity_table
    from service.cost.figures import SHIPPED, Figures
    from service.cost.prices import Prices

    measured = read_toml_file("--figures", figures or SHIPPED, Figures)
    priced = read_toml_file("--prices", prices, Prices) if prices else None
    settings = read_settings()
    plan = Plan(likes_per_second=0, **options, **{name: getattr(settings, name) for name in _SETTINGS})
    if as_json:
        click.echo(json.dumps(capacity_json(plan, measured, rates or RATES, priced)))
    else:
        _print(capacity_table(plan, measured, rates or RATES, priced), measured)


def _print(table: "CapacityTable", figures: "Figures") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    for headings, rows in ((table.headings, table.rows), (table.limit_headings, table.limits)):
        shown = Table(box=None, pad_edge=False)
        for heading, first in zip(headings, rows[0] if rows else headings, strict=True):
            # Numbers begin with a digit.
            is_number = first[:1].isdigit()
            shown.add_column(heading, justify="right" if is_number else "left", overflow="fold")
        for row in rows:
            shown.add_row(*row)
        console.print(shown)
        console.print()
    console.print(f"An estimate from figures of {figures.date}, measured on {figures.machine}.", soft_wrap=True)
