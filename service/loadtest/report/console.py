"""What a drill shows on the console: progress while it runs, then the verdict."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from service.loadtest.checks.verdict import named
from service.loadtest.generator.progress import Live
from service.loadtest.generator.recorder import Tally
from service.loadtest.generator.schedule import Schedule
from service.loadtest.report.results import Results
from service.loadtest.report.statistics import Times

_LINE_S = 5.0  # between two lines where there is no terminal
MEANING = {
    "connections_refused": "connections refused",
    "connections_dropped": "connections dropped",
    "retried": "requests sent again",
    "lost": "requests lost twice",
    "unanswered": "requests without answer",
    "repeated": "200 though sent once",
    "doubled": "repeats that counted",
    "strangers": "tokens not known",
}
MEASURED = {
    "answer": "acknowledged",
    "seen": "seen by another reader",
    "durable": "durable in Postgres",
    "followed": "unlike or repeat answered",
}


class Progressing:
    """Shows a number as it grows: a bar on a terminal, else a line now and then."""

    def __init__(self, console: Console, total: int, what: str) -> None:
        self._console = console
        self._total = total
        self._what = what
        self._line_at = time.monotonic() + _LINE_S
        self._bar: Progress | None = None
        if console.is_terminal:
            columns = TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}")
            self._bar = Progress(*columns, TimeElapsedColumn(), console=console, auto_refresh=False)
            self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, done: int, text: str = "") -> None:
        """Show how far it is."""
        if self._bar:
            self._bar.update(self._task, completed=done, description=text, refresh=True)
        elif (now := time.monotonic()) >= self._line_at:
            self._line_at = now + _LINE_S
            line = f"{self._what}: {done:,} of {self._total:,}" + (f", {text}" if text else "")
            self._console.print(line, soft_wrap=True)


def show_tally(progress: Progressing, schedule: Schedule) -> Callable[[Tally], None]:
    """What shows a tally, as it grows, on a progress bar."""
    live = Live(schedule.times)

    def show(tally: Tally) -> None:
        rate, p99_ms = live.look(tally, time.monotonic())
        p99 = "" if p99_ms is None else f", p99 {p99_ms:,.0f} ms"
        text = f"{rate:,.0f}/s, {tally.waiting:,} waiting{p99}, {tally.bad:,} refused or lost"
        progress.show(len(tally.acknowledged) + tally.bad, text)

    return show


def show_results(console: Console, found: Results) -> None:
    """Answers, times, costs, and the sums that have to be one number."""
    console.print(_answers(found))
    console.print(_times(found))
    if found.cpu_us_per_like:
        console.print(_costs(found), soft_wrap=True)
    console.print(
        f"{found.sent:,} likes of {found.asked['posts']:,} posts sent, {found.rate:,.0f}/s acknowledged over "
        f"{found.took_s:,.1f} s, at most {found.connections:,} connections",
        soft_wrap=True,
    )
    for note in found.notes:
        console.print(f"[yellow]·[/] {escape(note)}", soft_wrap=True)
    for reason in found.verdict.reasons:
        console.print(f"[red]✗[/] {escape(reason)}", soft_wrap=True)
    console.print(_one_number(found), soft_wrap=True)


def _one_number(found: Results) -> str:
    sums = found.verdict.sums
    fine = "one number" if sums.agree else "none lost, none doubled"  # likes of unknown outcome are among them
    color, word = ("green", fine) if found.verdict.ok else ("red", "not well")
    less = f" less {sums.unliked:,} taken back" if sums.unliked else ""
    return (
        f"acknowledged {sums.acknowledged:,}{less}, counted by Redis {sums.counted:,}, rows in Postgres {sums.rows:,}, "
        f"seen by readers {sums.shown:,}: [{color}]{word}[/]"
    )


def _answers(found: Results) -> Table:
    table = _table("answer", *found.answers)
    for status in sorted({status for answers in found.answers.values() for status in answers}):
        table.add_row(named(status), *(f"{answers.get(status, 0):,}" for answers in found.answers.values()))
    for error, count in found.errors.items():
        if count:
            table.add_row(f"[red]{MEANING[error]}[/]", f"{count:,}")
    return table


def _times(found: Results) -> Table:
    table = _table("ms after it was due", "p50", "p99", "p99.9")
    for name, label in MEASURED.items():
        measured: Times | None = getattr(found, name)
        if measured:
            row = (measured.p50_ms, measured.p99_ms, measured.p999_ms)
            table.add_row(label, *("never" if ms is None else f"{ms:,.1f}" for ms in row))
    return table


def _table(*columns: str) -> Table:
    table = Table(*columns, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _costs(found: Results) -> str:
    each = ", ".join(f"{name} {spent:,.0f}" for name, spent in found.cpu_us_per_like.items())
    share = f" (the drill is {found.sender_share:.2f} of the API)" if found.sender_share is not None else ""
    wire = f"{found.sent_bytes_per_like:,.0f} bytes sent and {found.received_bytes_per_like:,.0f} received"
    return f"each like cost µs of CPU: {each}{share}; {wire}"
