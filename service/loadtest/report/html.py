"""Render the results as one HTML page without other files: the verdict first, then charts, then tables. Pure."""

from collections.abc import Iterable, Sequence
from html import escape

from service.loadtest.checks.verdict import PostCounts
from service.loadtest.report.charts import Line, exact_axis, linear_axis, log_axis, percentile_axis, render_chart
from service.loadtest.report.console import TIME_LABELS
from service.loadtest.report.html_cards import (
    bytes_card,
    card,
    costs_card,
    cpu_card,
    errors_card,
    posts_card,
    responses_card,
    table,
    values_card,
)
from service.loadtest.report.results import Results
from service.loadtest.report.statistics import TimeSummary
from service.loadtest.report.style import STYLE

_COLORS = {"answer": "c", "seen": "e", "durable": "f", "followed": "b"}
_NO_LIKES = "<p>No like was acknowledged.</p>"


def render_page(results: Results) -> str:
    """Return the whole page."""
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Load test: {escape(_headline(results))}</title><style>{STYLE}</style>
<body class="{"good" if results.verdict.ok else "bad"}">
{_header(results)}
<h2>Over time</h2><div class="pair">{_rate_chart(results)}{_response_time_chart(results)}</div>
<h2>Latency</h2><div class="pair">{_latency_chart(results)}{_latency_table(results)}</div>
<h2>Cost per like</h2><div class="pair">{cpu_card(results)}{bytes_card(results)}</div>
<h2>Cost of a million likes</h2>{costs_card(results)}
<h2>Responses</h2><div class="pair">{responses_card(results)}{errors_card(results)}</div>
<h2>Posts</h2>{posts_card(results.verdict.posts)}
<h2>Options and machine</h2><div class="pair">{values_card(results.options)}{values_card(results.machine)}</div>
</body></html>
"""


def _headline(results: Results) -> str:
    sums = results.verdict.sums
    if results.verdict.ok:
        return f"All counts agree: {sums.counted:,}"
    if results.verdict.interrupted:
        return f"Interrupted after {results.sent:,} likes"
    if not all(post.agree for post in results.verdict.posts):
        return "The counts disagree"
    missing = results.sent - results.acknowledged
    return f"{missing:,} likes not acknowledged" if missing else "Failed"


def _header(results: Results) -> str:
    options, sums, reasons = results.options, results.verdict.sums, results.verdict.reasons
    load = f"{options['likes']:,} likes in {options['seconds']:g} s to {options['url']}, profile {options['profile']}"
    lists = (("reasons", reasons), ("notes", results.notes))
    lines = (f'<ul class="{name}">{_items(items)}</ul>' for name, items in lists if items)
    return (
        f"<header><p>Load test, {escape(str(results.machine.get('at', '')))}</p>"
        f"<h1>{escape(_headline(results))}</h1>"
        f"<p>{escape(load)}. {results.rate:,.0f} likes/s were acknowledged over {results.took_s:,.1f} s. "
        f"{escape(' '.join(results.pace))}</p></header>"
        f'<dl class="sums">{"".join(_sums(sums))}</dl>{"".join(lines)}'
    )


def _sums(sums: PostCounts) -> Iterable[str]:
    small = [f"{sums.acknowledged:,} less {sums.unliked:,} taken back"] if sums.unliked else []
    small += [f"{sums.promised} may count"] if sums.least < sums.most else []
    more = "".join(f"<small>{line}</small>" for line in small)
    yield f'<div class="same"><dt>Acknowledged</dt><dd>{sums.net:,}{more}</dd></div>'
    numbers = (("Counted by Redis", sums.counted), ("Rows in Postgres", sums.rows), ("Shown by the API", sums.shown))
    for name, number in numbers:
        yield f'<div class="{"same" * (number == sums.net)}"><dt>{name}</dt><dd>{number:,}</dd></div>'


def _items(lines: Sequence[str]) -> str:
    return "".join(f"<li>{escape(line)}</li>" for line in lines)


def _rate_chart(results: Results) -> str:
    series = results.series
    counted = [("due", "a", series.due), ("sent", "b", series.sent), ("acknowledged", "c", series.acknowledged)]
    if any(series.refused):
        counted.append(("refused or lost", "d", series.refused))
    # The last step is incomplete, so its rate would be too low.
    steps = max(1, len(series.due) - 1)
    rates = [(name, color, [count / series.step_s for count in counts[:steps]]) for name, color, counts in counted]
    lines = [Line(name, color, _points(results, values)) for name, color, values in rates]
    highest = max(max(values) for *_, values in rates)
    y = linear_axis(highest, lambda value: f"{value:,.0f}")
    return render_chart("Likes per second", lines, exact_axis(_end(results), _seconds), y)


def _response_time_chart(results: Results) -> str:
    title = "Response time, by when the like was due"
    percentiles = (("p50", "c", results.series.p50_ms), ("p99", "d", results.series.p99_ms))
    lines = [Line(name, color, _points(results, values)) for name, color, values in percentiles]
    values = _positive(lines)
    if not values:
        return card(title, _NO_LIKES)
    return render_chart(title, lines, exact_axis(_end(results), _seconds), log_axis(min(values), max(values), _ms))


def _latency_chart(results: Results) -> str:
    summaries = _summaries(results)
    lines = [Line(TIME_LABELS[name], _COLORS[name], one.curve) for name, one in summaries.items()]
    values = _positive(lines)
    if not values:
        return card("Time since the like was due", _NO_LIKES)
    x = percentile_axis(max(one.of for one in summaries.values()))
    return render_chart("Time since the like was due, by percentile", lines, x, log_axis(min(values), max(values), _ms))


def _latency_table(results: Results) -> str:
    rows = [
        [
            TIME_LABELS[name],
            *(("never" if ms is None else _ms(ms)) for ms in (one.p50_ms, one.p99_ms, one.p999_ms, one.max_ms)),
        ]
        for name, one in _summaries(results).items()
    ]
    text = "<p>Times count from when a like was due, so waiting for a free connection is included.</p>"
    return card("Percentiles", table(["", "p50", "p99", "p99.9", "maximum"], rows) + text)


def _summaries(results: Results) -> dict[str, TimeSummary]:
    summaries: dict[str, TimeSummary | None] = {name: getattr(results, name) for name in TIME_LABELS}
    return {name: one for name, one in summaries.items() if one}


def _positive(lines: Sequence[Line]) -> list[float]:
    return [y for line in lines for _, y in line.points if y and y > 0]


def _points(results: Results, values: Sequence[float | None]) -> list[tuple[float, float | None]]:
    """Return a point for each step, in its middle."""
    return [((step + 0.5) * results.series.step_s, value) for step, value in enumerate(values)]


def _end(results: Results) -> float:
    return len(results.series.due) * results.series.step_s


def _seconds(value: float) -> str:
    return f"{value:g} s"


def _ms(ms: float) -> str:
    """Return `1.5 s` for 1,500 ms, and `15 ms` for 15."""
    return f"{ms / 1_000:,.3g} s" if ms >= 1_000 else f"{ms:,.3g} ms"
