"""Watch the children of `likewise up`: restart those that may be restarted, and stop them in order."""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from service.devstack.processes import StartError, kill_group, spawn, tail, terminate
from service.devstack.state import StateDir

# A child that dies this often within this time is not restarted again.
_MAX_DEATHS = 4
_DEATHS_WITHIN_S = 60.0


@dataclass
class Child:
    """One process. `start` runs it again; None if its death ends the stack. `is_owned`: the supervisor stops it."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    start: Callable[[], subprocess.Popen[bytes]] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 15.0
    is_owned: bool = True
    deaths: list[float] = field(default_factory=list)

    @property
    def ending(self) -> str:
        """How it ended: `signal N` or `exit code N`."""
        code = self.process.poll()
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


class Supervisor:
    """The children in the order of their start. They are stopped in reverse order."""

    def __init__(self, state: StateDir, say: Callable[[str], None]) -> None:
        self.children: list[Child] = []
        self._state = state
        self._say = say

    def adopt(
        self,
        name: str,
        process: subprocess.Popen[bytes],
        log: Path,
        *,
        restart: Callable[[], subprocess.Popen[bytes]] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Watch a process that its owner started and stops. Without `restart` its death ends the stack."""
        self._add(Child(name, process, log, restart, stop_signal, is_owned=False))

    def start(
        self,
        name: str,
        argv: Sequence[str | Path],
        env: Mapping[str, str],
        *,
        stop_signal: signal.Signals = signal.SIGTERM,
        stop_timeout_s: float = 15.0,
    ) -> Child:
        """Start a child that is restarted when it dies."""
        log = self._state.log(name)

        def spawn_child() -> subprocess.Popen[bytes]:
            return spawn(argv, log=log, env=env)

        return self._add(Child(name, spawn_child(), log, spawn_child, stop_signal, stop_timeout_s))

    def check(self, *, restart: bool = True) -> None:
        """Restart every child that died. Raise StartError if it may not be restarted, or died too often."""
        for order, child in enumerate(self.children, 1):
            if child.process.poll() is None:
                continue
            if child.start is None or not restart:
                raise StartError(f"{child.name} died ({child.ending}). {describe_log(child.log)}")
            self._count_death(child)
            self._say(f"{child.name} died ({child.ending}) and is restarted.")
            kill_group(child.process)
            child.process = child.start()
            self._state.remember(child.name, child.process, child.stop_signal, order)

    def stop(self) -> None:
        """Stop the children that this supervisor started, one after the other, the last one first."""
        for child in reversed(self.children):
            if child.is_owned:
                terminate([child.process], timeout_s=child.stop_timeout_s, stop_signal=child.stop_signal)

    def forget(self) -> None:
        """Remove the notes for the next run, once everything has ended."""
        for child in self.children:
            self._state.forget(child.name)

    def _add(self, child: Child) -> Child:
        self.children.append(child)
        self._state.remember(child.name, child.process, child.stop_signal, len(self.children))
        return child

    def _count_death(self, child: Child) -> None:
        now = time.monotonic()
        child.deaths = [death for death in child.deaths if death > now - _DEATHS_WITHIN_S] + [now]
        if len(child.deaths) >= _MAX_DEATHS:
            raise StartError(f"{child.name} keeps dying ({child.ending}). {describe_log(child.log)}")


def describe_log(log: Path) -> str:
    """Return a sentence that names a log and quotes its end."""
    end_of_log = tail(log)
    if "No space left on device" in end_of_log:
        return f"The disk is full, according to {log}."
    return f"Its log {log} ends with:\n{end_of_log}" if end_of_log else f"Its log {log} is empty."
