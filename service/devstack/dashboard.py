"""Show the state of a local stack: a live table on a terminal, a line every ten seconds elsewhere."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psutil
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from service.devstack.supervisor import Child
from service.errors import LikewiseError

_LINE_INTERVAL_S = 10.0


@dataclass(frozen=True)
class Status:
    """Figures of the whole stack. `lag_s` is the age of the oldest like that is not in Postgres yet."""

    likes_per_s: float
    pending: int
    lag_s: float


class Dashboard:
    """A display of the children and the status. Within its context it owns the last lines of the terminal."""

    def __init__(
        self,
        console: Console,
        children: list[Child],
        status: Callable[[], Status] | None,
        *,
        line_interval_s: float = _LINE_INTERVAL_S,
    ) -> None:
        self._console = console
        self._children = children
        self._status = status
        self._line_interval_s = line_interval_s
        self._known: dict[int, psutil.Process] = {}
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._next_line = time.monotonic() + self._line_interval_s

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def refresh(self) -> None:
        """Show the current state. Call this about once a second."""
        if self._live:
            self._live.update(self._table(), refresh=True)
        elif self._status and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + self._line_interval_s
            self._console.print(self._summary(), highlight=False)

    def _summary(self) -> str:
        try:
            status = self._status() if self._status else None
        except LikewiseError as error:
            return f"The status is not available: {error}"
        if status is None:
            return ""
        return f"likes/s {status.likes_per_s:,.0f}   pending {status.pending:,}   lag {status.lag_s:.1f} s"

    def _table(self) -> RenderableType:
        table = Table("process", "state", "pid", box=None, header_style="dim")
        for name in ("CPU", "memory"):
            table.add_column(name, justify="right")
        for child in self._children:
            running = child.process.poll() is None
            cpu, memory_bytes = self._usage(child.process.pid) if running else (0.0, 0)
            state = Text("running", "green") if running else Text(child.ending, "red")
            table.add_row(child.name, state, str(child.process.pid), f"{cpu:.0f} %", f"{memory_bytes / 2**20:.0f} MB")
        return Group(table, Text(self._summary(), "bold")) if self._status else table

    def _usage(self, pid: int) -> tuple[float, int]:
        """Return CPU in percent of a core since the last call, and resident bytes, of a process and its children."""
        cpu, memory_bytes = 0.0, 0
        try:
            family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        except psutil.Error:
            return cpu, memory_bytes
        for member in family:
            # cpu_percent compares with the previous call on the same object.
            process = self._known.setdefault(member.pid, member)
            try:
                cpu += process.cpu_percent()
                memory_bytes += process.memory_info().rss
            except psutil.Error:
                self._known.pop(member.pid, None)
        return cpu, memory_bytes
