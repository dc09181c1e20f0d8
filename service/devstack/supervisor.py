"""Watches the children of `likewise up`: restarts what may be restarted, stops them in order."""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from service.devstack.processes import StartError, kill_group, spawn, tail, terminate
from service.devstack.state import StateDir

_DEATHS = 4  # this many ...
_WITHIN_S = 60.0  # ... in this time is "keeps dying"


@dataclass
class Child:
    """One process: how it is started again (None: it must not die) and how it is stopped."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    start: Callable[[], subprocess.Popen[bytes]] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 15.0
    deaths: list[float] = field(default_factory=list)

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        code = self.process.poll()
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


class Supervisor:
    """The children in the order they were started; stopped in the opposite one."""

    def __init__(self, state: StateDir, say: Callable[[str], None]) -> None:
        self.children: list[Child] = []
        self._state = state
        self._say = say

    def adopt(
        self,
        name: str,
        process: subprocess.Popen[bytes],
        log: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Watch a data server, which others stop; its death ends everything, as a restart could hide a loss."""
        self.children.append(Child(name, process, log, stop_signal=stop_signal))
        self._state.remember(name, process, stop_signal, len(self.children))

    def run(
        self,
        name: str,
        argv: Sequence[str | Path],
        env: Mapping[str, str],
        *,
        stop_signal: signal.Signals = signal.SIGTERM,
        stop_timeout_s: float = 15.0,
    ) -> Child:
        """Start a child that is started again when it dies."""
        log = self._state.log(name)

        def start() -> subprocess.Popen[bytes]:
            return spawn(argv, log=log, env=env)

        child = Child(name, start(), log, start, stop_signal, stop_timeout_s)
        self.children.append(child)
        self._state.remember(name, child.process, stop_signal, len(self.children))
        return child

    def check(self, *, restart: bool = True) -> None:
        """Restart who has died; StartError where that is of no use, or not wanted."""
        for order, child in enumerate(self.children, 1):
            if child.process.poll() is None:
                continue
            if child.start is None or not restart:
                raise StartError(f"{child.name} died ({child.ending}). {said(child.log)}")
            self._count(child)
            self._say(f"{child.name} died ({child.ending}) and is started again.")
            kill_group(child.process)
            child.process = child.start()
            self._state.remember(child.name, child.process, child.stop_signal, order)

    def stop(self) -> None:
        """Stop what `run` started, last first, each before the next; data servers are left to their owners."""
        for child in reversed(self.children):
            if child.start is not None:
                terminate([child.process], timeout_s=child.stop_timeout_s, stop_signal=child.stop_signal)

    def forget(self) -> None:
        """Everything has ended: leave no notes for the next run."""
        for child in self.children:
            self._state.forget(child.name)

    def _count(self, child: Child) -> None:
        now = time.monotonic()
        child.deaths = [death for death in child.deaths if death > now - _WITHIN_S] + [now]
        if len(child.deaths) >= _DEATHS:
            raise StartError(f"{child.name} keeps dying ({child.ending}). {said(child.log)}")


def said(log: Path) -> str:
    """Name a log and quote its end."""
    last = tail(log)
    if "No space left on device" in last:
        return f"The disk is full, says {log}."
    return f"Its log {log} ends with:\n{last}" if last else f"Its log {log} is empty."
