"""What a drill shows: progress while it runs, then the verdict."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from service.drill.plan import Options
from service.drill.tally import Tally
from service.drill.verdict import Verdict, named

_LINE_S = 5.0  # between two lines where there is no terminal
_MEANING = {
    "connections_refused": "connections refused",
    "connections_dropped": "connections dropped",
    "retried": "likes sent again",
    "lost": "likes lost twice",
    "unanswered": "likes without answer",
    "repeated": "200 though sent once",
    "strangers": "tokens not known",
}


class Watch:
    """Shows a tally as it grows: a bar on a terminal, else a line now and then."""

    def __init__(self, console: Console, options: Options) -> None:
        self._console = console
        self._options = options
        self._line_at = time.monotonic() + _LINE_S
        self._bar: Progress | None = None
        if console.is_terminal:
            columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
            self._bar = Progress(*columns, console=console, auto_refresh=False)
            self._task = self._bar.add_task("", total=options.likes)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, tally: Tally) -> None:
        """Show how far it is."""
        if self._bar:
            waiting = tally.sent - tally.answered - tally.lost
            text = f"{waiting:,} waiting, {_bad(tally):,} refused or lost"
            self._bar.update(self._task, completed=tally.answered, description=text, refresh=True)
        elif (now := time.monotonic()) >= self._line_at:
            self._line_at = now + _LINE_S
            self._console.print(
                f"{tally.sent:,} of {self._options.likes:,} likes sent, {sum(tally.acknowledged):,} acknowledged, "
                f"{_bad(tally):,} refused or lost",
                soft_wrap=True,
            )


def show_verdict(console: Console, verdict: Verdict) -> None:
    """Answers, times, and the sums that have to be one number."""
    console.print(_answers(verdict))
    if verdict.p50_ms is not None:
        times = f"p50 {verdict.p50_ms:,.1f} ms, p99 {verdict.p99_ms:,.1f} ms, p99.9 {verdict.p999_ms:,.1f} ms"
        console.print(f"acknowledged {times} after each was due", soft_wrap=True)
    console.print(
        f"{verdict.sent:,} likes of {len(verdict.posts):,} posts sent, {verdict.rate:,.0f}/s acknowledged over "
        f"{verdict.took_s:,.1f} s, at most {verdict.connections:,} connections",
        soft_wrap=True,
    )
    for reason in verdict.reasons:
        console.print(f"[red]✗[/] {escape(reason)}", soft_wrap=True)
    color, word = ("green", "one number") if verdict.ok else ("red", "not well")
    console.print(
        f"acknowledged {verdict.acknowledged:,}, shown {verdict.shown:,}, rows {verdict.rows:,}: [{color}]{word}[/]",
        soft_wrap=True,
    )


def _answers(verdict: Verdict) -> Table:
    table = Table("answer", "likes", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for status, count in verdict.answers.items():
        table.add_row(named(status), f"{count:,}")
    for error, count in verdict.errors.items():
        if count:
            table.add_row(f"[red]{_MEANING[error]}[/]", f"{count:,}")
    return table


def _bad(tally: Tally) -> int:
    return tally.answered - sum(tally.acknowledged) + tally.lost
