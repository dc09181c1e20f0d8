"""Print a load test to the console: its progress while it runs, then its results."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from service.loadtest.checks.verdict import status_name
from service.loadtest.generator.progress import RunProgress
from service.loadtest.generator.recorder import Recorder
from service.loadtest.generator.schedule import Schedule
from service.loadtest.report.cost_section import cost_notes, cost_table
from service.loadtest.report.results import Results
from service.loadtest.report.statistics import TimeSummary

# Without a terminal, a line is printed this often.
_LINE_INTERVAL_S = 5.0
ERROR_LABELS = {
    "connections_refused": "connections refused",
    "connections_dropped": "connections dropped",
    "retried": "requests sent again",
    "lost": "requests lost twice",
    "unanswered": "requests without response",
    "unexpected_200": "likes sent once, answered with 200",
    "counted_twice": "repeats counted as new likes",
    "unknown_tokens": "tokens unknown to the server",
}
TIME_LABELS = {
    "answer": "acknowledged",
    "seen": "seen by another reader",
    "durable": "durable in Postgres",
    "followed": "unlike or repeat answered",
}


class ProgressBar:
    """A number that grows: a bar on a terminal, else a line from time to time."""

    def __init__(self, console: Console, total: int, what: str) -> None:
        self._console = console
        self._total = total
        self._what = what
        self._next_line = time.monotonic() + _LINE_INTERVAL_S
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
        """Show the progress, and a text beside it."""
        if self._bar:
            self._bar.update(self._task, completed=done, description=text, refresh=True)
        elif (now := time.monotonic()) >= self._next_line:
            self._next_line = now + _LINE_INTERVAL_S
            line = f"{self._what}: {done:,} of {self._total:,}" + (f", {text}" if text else "")
            self._console.print(line, soft_wrap=True)


def show_run(bar: ProgressBar, schedule: Schedule) -> Callable[[Recorder], None]:
    """Return a callback that shows a run on the progress bar."""
    progress = RunProgress(schedule.times)

    def show(recorder: Recorder) -> None:
        rate, p99_ms = progress.update(recorder, time.monotonic())
        p99 = "" if p99_ms is None else f", p99 {p99_ms:,.0f} ms"
        text = f"{rate:,.0f}/s, {recorder.waiting:,} waiting{p99}, {recorder.failed:,} refused or lost"
        bar.show(len(recorder.acknowledged) + recorder.failed, text)

    return show


def show_results(console: Console, results: Results) -> None:
    """Print responses, times, costs, and the counts that must agree."""
    console.print(_responses(results))
    console.print(_times(results))
    if results.cpu_us_per_like:
        console.print(_costs(results), soft_wrap=True)
    console.print(
        f"{results.sent:,} likes of {results.options['posts']:,} posts sent, {results.rate:,.0f}/s acknowledged over "
        f"{results.took_s:,.1f} s, at most {results.connections:,} connections",
        soft_wrap=True,
    )
    if results.costs.lines:
        console.print(cost_table(results.costs))
    for note in (*cost_notes(results.costs), *results.notes):
        console.print(f"[yellow]·[/] {escape(note)}", soft_wrap=True)
    for reason in results.verdict.reasons:
        console.print(f"[red]✗[/] {escape(reason)}", soft_wrap=True)
    for sentence in results.pace:
        console.print(sentence, soft_wrap=True)
    console.print(_verdict(results), soft_wrap=True)


def _verdict(results: Results) -> str:
    sums = results.verdict.sums
    # Without exact agreement, likes of unknown outcome are among those counted.
    success = "all counts agree" if sums.agree else "no like lost or duplicated"
    color, word = ("green", success) if results.verdict.ok else ("red", "failed")
    less = f" less {sums.unliked:,} taken back" if sums.unliked else ""
    return (
        f"acknowledged {sums.acknowledged:,}{less}, counted by Redis {sums.counted:,}, rows in Postgres {sums.rows:,}, "
        f"shown by the API {sums.shown:,}: [{color}]{word}[/]"
    )


def _responses(results: Results) -> Table:
    table = _table("response", *results.answers)
    for status in sorted({status for counts in results.answers.values() for status in counts}):
        table.add_row(status_name(status), *(f"{counts.get(status, 0):,}" for counts in results.answers.values()))
    for error, count in results.errors.items():
        if count:
            table.add_row(f"[red]{ERROR_LABELS[error]}[/]", f"{count:,}")
    return table


def _times(results: Results) -> Table:
    table = _table("ms after it was due", "p50", "p99", "p99.9")
    for name, label in TIME_LABELS.items():
        times: TimeSummary | None = getattr(results, name)
        if times:
            row = (times.p50_ms, times.p99_ms, times.p999_ms)
            table.add_row(label, *("never" if ms is None else f"{ms:,.1f}" for ms in row))
    return table


def _table(*columns: str) -> Table:
    table = Table(*columns, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _costs(results: Results) -> str:
    parts = ", ".join(f"{name} {spent:,.0f}" for name, spent in results.cpu_us_per_like.items())
    share = f" (load test / API: {results.sender_share:.2f})" if results.sender_share is not None else ""
    sizes = f"{results.sent_bytes_per_like:,.0f} bytes sent and {results.received_bytes_per_like:,.0f} received"
    return f"CPU time per like in µs: {parts}{share}; {sizes} per like"
