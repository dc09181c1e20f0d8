"""Run `likewise up`: the whole stack on this machine, from embedded servers, until a signal stops it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from rich.console import Console

from service.devstack.dashboard import Dashboard, Status
from service.devstack.processes import StartError
from service.devstack.stack import Stack
from service.devstack.state import MIN_FREE_BYTES, StateDir, state_dir_error
from service.errors import LikewiseError
from service.file_limit import raise_file_limit
from service.settings import Settings

_REFRESH_S = 1.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _StopRequested(BaseException):
    """A signal asked for a stop. Not an Exception, so that no error handler swallows it."""


@dataclass(frozen=True)
class UpOptions:
    """Options of `likewise up`. `port` 0: any free port. `workers` None: one per core."""

    port: int = 8080
    replicas: bool = False
    workers: int | None = None
    min_free_bytes: int = MIN_FREE_BYTES


def up(
    settings: Settings,
    options: UpOptions,
    *,
    status: Callable[[Settings], Status] | None = None,
    console: Console | None = None,
) -> int:
    """Run the stack until Ctrl-C or SIGTERM (returns 0), or until it cannot continue (prints why and returns 1).

    `status` is called about once a second, with the settings of the running stack.
    """
    console = console or Console()
    try:
        with _stoppable():
            _run(settings, options, status, console)
    except _StopRequested:
        console.print("Stopped. All likes are kept for the next `likewise up`.", highlight=False)
        return 0
    except (LikewiseError, OSError) as error:
        reason = state_dir_error(settings.state_dir, error) if isinstance(error, OSError) else error
        console.print(str(reason), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    return 0


def _run(settings: Settings, options: UpOptions, status: Callable[[Settings], Status] | None, console: Console) -> None:
    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    with StateDir(settings.state_dir, min_free_bytes=options.min_free_bytes) as state:
        state.stop_stale(say)
        _check_privilege(options.port, "--port")
        _check_privilege(settings.metrics_port, "LIKEWISE_METRICS_PORT")
        raise_file_limit()
        stack = Stack(settings, state, say, port=options.port, replicas=options.replicas, workers=options.workers)
        _serve(stack, status, console, say)


def _serve(
    stack: Stack, status: Callable[[Settings], Status] | None, console: Console, say: Callable[[str], None]
) -> None:
    try:
        stack.start()
        say(stack.addresses())
        read_status = (lambda: status(stack.settings)) if status else None
        _supervise(stack, Dashboard(console, stack.supervisor.children, read_status))
    finally:
        with _signals_ignored():
            say("Stopping ...")
            stack.stop()


def _supervise(stack: Stack, dashboard: Dashboard) -> None:
    # A signal ends the wait by raising.
    never = threading.Event()
    with dashboard:
        while True:
            stack.supervisor.check()
            dashboard.refresh()
            never.wait(_REFRESH_S)


def _check_privilege(port: int, setting: str) -> None:
    if 0 < port < 1024 and os.geteuid():
        raise StartError(f"Only root may listen on port {port}. Choose a port from 1024 on with {setting}.")


@contextmanager
def _stoppable() -> Iterator[None]:
    """Turn the signals that mean "stop" into an exception, at any moment of starting or running."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise _StopRequested

    handled = [number for number in _SIGNALS if not _is_nohup(number)]
    before = {number: signal.signal(number, stop) for number in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_nohup(number: int) -> bool:
    """Return whether nohup started us: then a closed terminal is no reason to stop."""
    return number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """Ignore a second Ctrl-C while the stack stops. Stopping has its own time limits."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
