"""The commands that run a process of the service: `api` and `flusher`."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

import click


@click.command()
@click.option(
    "--bind",
    default="127.0.0.1:8000",
    show_default=True,
    metavar="HOST:PORT",
    help="Address to listen on. [::]:8000 is IPv6 and IPv4.",
)
def api(bind: str) -> None:
    """Run the HTTP API until SIGTERM.

    gunicorn runs it. WEB_CONCURRENCY is the number of workers, by default one per core.
    """
    import service
    from service.server.bind_address import bind_addresses

    config = Path(str(service.__file__)).parent / "server" / "gunicorn_conf.py"
    # gunicorn replaces this process: it then gets the signals, and gevent an interpreter without other imports.
    binds = [argument for address in bind_addresses(bind) for argument in ("--bind", address)]
    command = [sys.executable, "-m", "gunicorn", "-c", str(config), *binds, "service.server.wsgi:app"]
    os.execv(sys.executable, command)  # noqa: S606


@click.command()
def flusher() -> None:
    """Move likes from Redis to Postgres until SIGTERM.

    Before it ends, the flusher stores what is still pending.
    """
    # The directory is for gunicorn's workers. A flusher is one process.
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    from service.bootstrap.flusher import open_flushers
    from service.cli.settings import read_settings

    with open_flushers(read_settings()) as workers:
        wake = threading.Event()

        def stop() -> None:
            for worker in workers:
                worker.stop()
            wake.set()

        _on_stop_signal(stop)
        with ThreadPoolExecutor(len(workers)) as pool:
            runs = [pool.submit(worker.run, wake.wait) for worker in workers]
            wait(runs, return_when=FIRST_EXCEPTION)
            # One failed worker ends the process, which is then restarted.
            stop()
    for run in runs:
        run.result()


def _on_stop_signal(stop: Callable[[], object]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())
