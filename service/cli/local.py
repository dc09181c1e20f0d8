"""The commands that come with the extra `local`: `up` and `drill`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from service.cli.settings import read_settings, read_toml_file, require
from service.deprecated_settings import warn

_INPUT_FILE = click.Path(path_type=Path)
_OUTPUT_FILE = click.Path(dir_okay=False, path_type=Path)
_DRILL_OPTIONS = (
    click.option("--likes", type=int, required=True, metavar="N", help="Number of likes, each by a different visitor."),
    click.option("--in", "duration", required=True, metavar="TIME", help="Duration, such as 500ms, 30s or 4m."),
    click.option(
        "--profile", default="flat", show_default=True, help="Shape of the rate over time: flat, ramp or viral."
    ),
    click.option("--posts", type=int, default=1, show_default=True, metavar="N", help="Number of posts to like."),
    click.option(
        "--zipf",
        type=float,
        default=1.0,
        show_default=True,
        metavar="S",
        help="Zipf exponent of the likes per post. 0 gives every post the same number.",
    ),
    click.option(
        "--unlikes", type=float, default=0.0, metavar="SHARE", help="Share of likes that are taken back, such as 0.05."
    ),
    click.option(
        "--repeats", type=float, default=0.0, metavar="SHARE", help="Share of likes that are sent twice, such as 0.05."
    ),
    click.option("--url", metavar="URL", help="Target, http://HOST:PORT.  [default: the local stack that is running]"),
    click.option(
        "--networks",
        type=int,
        default=0,
        metavar="N",
        help="Number of networks that visitors come from, by X-Forwarded-For. 0 sends no such header.",
    ),
    click.option("--allow-errors", is_flag=True, help="Tolerate refused likes. Lost and duplicated likes still fail."),
    click.option("--expect-trouble", is_flag=True, hidden=True),
    click.option(
        "--connections",
        "max_connections",
        type=int,
        default=256,
        show_default=True,
        metavar="N",
        help="Maximum number of open connections.",
    ),
    click.option(
        "--prices", "prices_file", type=_INPUT_FILE, help="TOML file with prices, for the cost of a million likes."
    ),
    click.option("--json", "json_file", type=_OUTPUT_FILE, help="Write all figures to this file as JSON."),
    click.option("--html", "html_file", type=_OUTPUT_FILE, help="Write a report with all figures to this file."),
)


@click.command()
@click.option(
    "--port",
    default=8080,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="Port of NGINX. If it is taken, a free port is used and printed. 0: use free ports for all servers.",
)
@click.option(
    "--replicas", is_flag=True, help="Run a replica of each Valkey primary. The stack then survives the death of one."
)
@click.option("--workers", type=click.IntRange(1), help="Number of API workers.  [default: one per core]")
def up(port: int, replicas: bool, workers: int | None) -> None:
    """Run the whole service on this machine until Ctrl-C.

    It starts Valkey, Postgres, the API, the flusher and NGINX, all on 127.0.0.1. Likes are kept for the next start, in
    the directory that LIKEWISE_STATE_DIR names, by default .likewise.
    """
    require("up", "service.devstack", "psutil")
    from service.devstack.status import StatusProbe
    from service.devstack.up import UpOptions
    from service.devstack.up import up as run

    sys.exit(run(read_settings(), UpOptions(port, replicas, workers), status=StatusProbe()))


def _with_drill_options(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_DRILL_OPTIONS):
        function = option(function)
    return function


@click.command()
@_with_drill_options
def drill(
    likes: int, duration: str, url: str | None, expect_trouble: bool, prices_file: Path | None, **options: Any
) -> None:
    """Run a load test and check that no like is lost.

    Each like is sent when it is due, whether or not earlier ones were answered. At the end, the acknowledged likes are
    compared with Redis, Postgres and the API. The exit code is 1 if a like was lost, counted twice or refused.
    """
    require("drill", "service.loadtest")
    from rich.console import Console

    from service.cost.prices import Prices
    from service.loadtest import DrillUsageError, Options, default_url, parse_duration, run

    if expect_trouble:
        warn(["--expect-trouble was renamed. It still works in this release; use --allow-errors instead."])
        options["allow_errors"] = True
    try:
        prices = read_toml_file("--prices", prices_file, Prices) if prices_file else None
        settings = read_settings(of_local_stack=True)
        asked = Options(likes, parse_duration(duration), url=url or default_url(settings), **options)
        results = run(asked, settings, Console(highlight=False), prices=prices)
    except DrillUsageError as error:
        raise click.UsageError(str(error)) from error
    sys.exit(0 if results.verdict.ok else 1)
