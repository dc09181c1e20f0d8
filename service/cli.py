"""The command `likewise`. Exit codes: 0 done, 1 not so (a sentence says why), 2 wrong usage."""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.auth.api_keys import SCOPES, new_key
from service.errors import LikewiseError

if TYPE_CHECKING:
    from service.settings import Settings

# What takes long to import is imported by the commands that need it: `likewise api` only makes way for gunicorn, and
# how soon a pod is ready depends on it.


def _settings(*, of_local_stack: bool = False) -> "Settings":
    from service.settings import settings_from_environment

    return settings_from_environment(of_local_stack=of_local_stack)


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LikewiseError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group)
@click.version_option(package_name="likewise")
@click.pass_context
def main(context: click.Context) -> None:
    """Likewise: a like button's back end that stays right when a post goes viral."""
    if context.invoked_subcommand != "api":  # which leaves that to gunicorn
        from service.observability.logging import configure_logs

        configure_logs()


@main.command()
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65_535), help="Where NGINX listens.")
@click.option("--replicas", is_flag=True, help="A replica for each Redis primary.")
@click.option("--workers", type=click.IntRange(1), help="API workers.  [default: one a core]")
def up(port: int, replicas: bool, workers: int | None) -> None:
    """Run everything on this machine until Ctrl-C; likes are kept for the next time."""
    from service.devstack.status import Probe
    from service.devstack.up import up as run

    sys.exit(run(_settings(), port=port, replicas=replicas, workers=workers, status=Probe()))


@main.command()
@click.option("--bind", default="127.0.0.1:8000", show_default=True, metavar="HOST:PORT", help="Where it listens.")
def api(bind: str) -> None:
    """Run the API: gunicorn with WEB_CONCURRENCY workers (else one a core), until SIGTERM."""
    config = str(Path(__file__).parent / "server" / "gunicorn_conf.py")
    # In place of this process: gunicorn gets the signals, and gevent an interpreter in which nothing is imported yet.
    command = [sys.executable, "-m", "gunicorn", "-c", config, "--bind", bind, "service.server.wsgi:app"]
    os.execv(sys.executable, command)  # noqa: S606


@main.command()
@click.option("--phase", type=click.Choice(["pre", "post", "all"]), default="all", show_default=True)
@click.option("--list", "only_list", is_flag=True, help="Print what is left to do, a line each, and do nothing.")
@click.option("--accept-empty", is_flag=True, help="Make an empty database anew though others hold likes.")
def migrate(phase: str, only_list: bool, accept_empty: bool) -> None:
    """Bring every database up to date; safe to run twice."""
    from service.storage.postgres.migrate import migrate as run
    from service.storage.postgres.migrate import pending

    phases: Any = ("pre", "post") if phase == "all" else (phase,)
    lines = pending(_settings(), phases) if only_list else run(_settings(), phases, accept_empty=accept_empty)
    for line in lines or ([] if only_list else ["every database is up to date"]):
        click.echo(line)


@main.command()
def flusher() -> None:
    """Move likes from Redis to Postgres until SIGTERM; then what is pending once more, and stop."""
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)  # of gunicorn's workers; a flusher is one process
    from service.bootstrap.flusher import open_flushers

    with open_flushers(_settings()) as workers:
        wake = threading.Event()

        def stop() -> None:
            for worker in workers:
                worker.stop()
            wake.set()

        _on_stop(stop)
        with ThreadPoolExecutor(len(workers)) as pool:
            runs = [pool.submit(worker.run, wake.wait) for worker in workers]
            wait(runs, return_when=FIRST_EXCEPTION)
            stop()  # one that failed ends the process, which is then started again
    for run in runs:
        run.result()


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of sentences.")
def verify(as_json: bool) -> None:
    """Say whether Redis, counts and rows agree; exit 1 where they do not."""
    from rich.console import Console

    from service.bootstrap.stores import open_stores
    from service.core.verify import verify as compare

    with open_stores(_settings(of_local_stack=True)) as stores:
        report = compare(stores.queue, stores.like_store, stores.settings.shards)
    if as_json:
        click.echo(json.dumps(asdict(report)))
    else:
        console = Console(highlight=False)
        for problem in report.problems:
            console.print(f"[red]✗[/] {problem}", soft_wrap=True)
        verdict = "[red]they disagree[/]" if report.problems else "[green]all agree[/]"
        console.print(
            f"{report.likes:,} likes of {report.posts:,} posts in Postgres, {report.in_redis:,} posts in Redis, "
            f"{report.pending:,} likes pending: {verdict}"
        )
    sys.exit(1 if report.problems else 0)


@main.command()
@click.option("--likes", type=int, required=True, metavar="N", help="How many, each of another visitor.")
@click.option("--in", "duration", required=True, metavar="TIME", help="Over which time: 30s, 4m, 500ms.")
@click.option("--profile", default="flat", show_default=True, help="Their rate over time: flat, ramp or viral.")
@click.option("--posts", type=int, default=1, show_default=True, metavar="N", help="Posts that share the likes.")
@click.option("--zipf", type=float, default=1.0, show_default=True, metavar="S", help="How unevenly; 0: evenly.")
@click.option("--unlikes", type=float, default=0.0, metavar="SHARE", help="So many likes are taken back, as 0.05.")
@click.option("--repeats", type=float, default=0.0, metavar="SHARE", help="So many likes are sent again, as 0.05.")
@click.option("--url", metavar="URL", help="Where the likes go: http://HOST:PORT.  [default: the running local stack]")
@click.option("--networks", type=int, default=0, metavar="N", help="Visitors come from so many, by X-Forwarded-For.")
@click.option("--expect-trouble", "trouble", is_flag=True, help="Likes may be refused, but none lost or doubled.")
@click.option("--connections", "most_connections", type=int, default=256, show_default=True, help="At most so many.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="All figures as JSON.")
@click.option("--html", "html_file", type=click.Path(dir_okay=False, path_type=Path), help="All figures as a page.")
def drill(likes: int, duration: str, url: str | None, **asked: Any) -> None:
    """Send likes when they are due, then say whether each was counted once and kept; exit 1 where not."""
    from rich.console import Console

    from service.loadtest import DrillUsageError, Options, default_url, parse_duration, run

    try:
        settings = _settings(of_local_stack=True)
        options = Options(likes, parse_duration(duration), url=url or default_url(settings), **asked)
        found = run(options, settings, Console(highlight=False))
    except DrillUsageError as error:
        raise click.UsageError(str(error)) from error
    sys.exit(0 if found.verdict.ok else 1)


@main.group()
def key() -> None:
    """Keys of servers."""


@key.command("new")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="Once or more.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of sentences.")
def key_new(name: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Make a key for the server NAME; nothing is stored."""
    try:
        made, entry = new_key(name, scopes)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        click.echo(json.dumps({"key": made, "entry": entry}))
    else:
        click.echo(f"{made}\n\nGive it to {name} now: it is kept nowhere, and is not shown again.")
        click.echo(f"Add this to LIKEWISE_API_KEYS, with a comma between entries:\n\n{entry}")


def _on_stop(stop: Callable[[], object]) -> None:
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop())


if __name__ == "__main__":
    main(prog_name="likewise")
