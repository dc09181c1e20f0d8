"""`likewise up`: the whole stack on this machine, from embedded servers, until it is told to stop."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console

from service.devstack.dashboard import Screen, Status
from service.devstack.processes import HOST, StartError, port_is_free, raise_file_limit
from service.devstack.stack import Stack
from service.devstack.state import MIN_FREE_BYTES, StateDir, unusable
from service.errors import LikewiseError
from service.settings import Settings

_REFRESH_S = 1.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _StopRequested(BaseException):
    """A signal asked us to stop; not an Exception, so that no handler of errors swallows it."""


def up(
    settings: Settings,
    *,
    port: int = 8080,
    replicas: bool = False,
    workers: int | None = None,
    status: Callable[[Settings], Status] | None = None,
    console: Console | None = None,
    min_free_bytes: int = MIN_FREE_BYTES,
) -> int:
    """Run the stack until Ctrl-C or SIGTERM (0), or until it cannot go on (1, after saying why).

    `status` is asked once a second, with the settings of the running stack.
    """
    console = console or Console()
    try:
        with _stoppable():
            _run(settings, port, replicas, workers, status, console, min_free_bytes)
    except _StopRequested:
        console.print("Stopped. Everything liked is kept for the next `likewise up`.", highlight=False)
        return 0
    except (LikewiseError, OSError) as error:
        reason = unusable(settings.state_dir, error) if isinstance(error, OSError) else error
        console.print(str(reason), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    return 0


def _run(
    settings: Settings,
    port: int,
    replicas: bool,
    workers: int | None,
    status: Callable[[Settings], Status] | None,
    console: Console,
    min_free_bytes: int,
) -> None:
    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    with StateDir(settings.state_dir, min_free_bytes=min_free_bytes) as state:
        state.stop_stale(say)
        _need(port, "Choose another with --port.")
        if settings.metrics_port:
            _need(settings.metrics_port, "Choose another for /metrics with LIKEWISE_METRICS_PORT.")
        raise_file_limit()
        _serve(Stack(settings, state, say, port=port, replicas=replicas, workers=workers), status, console, say)


def _serve(
    stack: Stack, status: Callable[[Settings], Status] | None, console: Console, say: Callable[[str], None]
) -> None:
    try:
        stack.start()
        say(stack.addresses())
        ask = (lambda: status(stack.settings)) if status else None
        _watch(stack, Screen(console, stack.supervisor.children, ask))
    finally:
        with _undisturbed():
            say("Stopping ...")
            stack.stop()


def _watch(stack: Stack, screen: Screen) -> None:
    never = threading.Event()  # a signal ends the wait by raising
    with screen:
        while True:
            stack.supervisor.check()
            screen.refresh()
            never.wait(_REFRESH_S)


def _need(port: int, advice: str) -> None:
    if port < 1024 and os.geteuid():
        raise StartError(f"Port {port} is open to root only. {advice}")
    if not port_is_free(port):
        raise StartError(f"Port {port} on {HOST} is taken by another program. {advice}")


@contextmanager
def _stoppable() -> Iterator[None]:
    """Turn the signals that mean "stop" into an exception, at any moment of starting or running."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise _StopRequested

    wanted = [number for number in _SIGNALS if not _hung_up(number)]
    before = {number: signal.signal(number, stop) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hung_up(number: int) -> bool:
    """Started by nohup: a closed terminal is no reason to stop."""
    return number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Stopping is not interrupted by a second Ctrl-C: it has deadlines of its own."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
