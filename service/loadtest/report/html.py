"""A run as one HTML page that needs nothing else: the verdict first, then charts, then tables. Pure."""

from collections.abc import Iterable, Sequence
from html import escape

from service.loadtest.checks.verdict import Counts
from service.loadtest.report.cards import answers, card, cpu, errors, named, posts, table, wire
from service.loadtest.report.charts import Line, chart, exact, linear, logarithmic, nines
from service.loadtest.report.console import MEASURED
from service.loadtest.report.results import Results
from service.loadtest.report.statistics import Times
from service.loadtest.report.style import STYLE

_COLORS = {"answer": "c", "seen": "e", "durable": "f", "followed": "b"}


def page(found: Results) -> str:
    """The whole page."""
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Drill: {escape(_headline(found))}</title><style>{STYLE}</style>
<body class="{"good" if found.verdict.ok else "bad"}">
{_top(found)}
<h2>Over time</h2><div class="pair">{_rates(found)}{_answer_times(found)}</div>
<h2>How long a like takes</h2><div class="pair">{_how_long(found)}{_percentiles(found)}</div>
<h2>What a like costs</h2><div class="pair">{cpu(found)}{wire(found)}</div>
<h2>What came back</h2><div class="pair">{answers(found)}{errors(found)}</div>
<h2>Posts</h2>{posts(found.verdict.posts)}
<h2>Settings and machine</h2><div class="pair">{named(found.asked)}{named(found.machine)}</div>
</body></html>
"""


def _headline(found: Results) -> str:
    sums = found.verdict.sums
    if found.verdict.ok:
        return f"One number: {sums.counted:,}"
    if found.verdict.interrupted:
        return f"Interrupted after {found.sent:,} likes"
    if not all(post.agree for post in found.verdict.posts):
        return "Not one number"
    missing = found.sent - found.acknowledged
    return f"{missing:,} likes not acknowledged" if missing else "Not well"


def _top(found: Results) -> str:
    asked, sums, reasons = found.asked, found.verdict.sums, found.verdict.reasons
    what = f"{asked['likes']:,} likes in {asked['seconds']:g} s, {asked['profile']}, to {asked['url']}"
    lists = (("reasons", reasons), ("notes", found.notes))
    said = (f'<ul class="{name}">{_items(lines)}</ul>' for name, lines in lists if lines)
    return (
        f"<header><p>Drill · {escape(str(found.machine.get('at', '')))}</p><h1>{escape(_headline(found))}</h1>"
        f"<p>{escape(what)}; {found.rate:,.0f} a second acknowledged over {found.took_s:,.1f} s</p></header>"
        f'<dl class="sums">{"".join(_sums(sums))}</dl>{"".join(said)}'
    )


def _sums(sums: Counts) -> Iterable[str]:
    small = [f"{sums.acknowledged:,} less {sums.unliked:,} taken back"] if sums.unliked else []
    small += [f"{sums.promised} may count"] if sums.least < sums.most else []
    more = "".join(f"<small>{line}</small>" for line in small)
    yield f'<div class="same"><dt>Acknowledged</dt><dd>{sums.net:,}{more}</dd></div>'
    numbers = (("Counted by Redis", sums.counted), ("Rows in Postgres", sums.rows), ("Seen by readers", sums.shown))
    for name, number in numbers:
        yield f'<div class="{"same" * (number == sums.net)}"><dt>{name}</dt><dd>{number:,}</dd></div>'


def _items(lines: Sequence[str]) -> str:
    return "".join(f"<li>{escape(line)}</li>" for line in lines)


def _rates(found: Results) -> str:
    series = found.series
    each = (("due", "a", series.due), ("sent", "b", series.sent), ("acknowledged", "c", series.acknowledged))
    more = (("refused or lost", "d", series.refused),) if any(series.refused) else ()
    rates = [(name, color, [count / series.step_s for count in counts]) for name, color, counts in (*each, *more)]
    lines = [
        Line(name, color, [(_middle(found, at), rate) for at, rate in enumerate(all_)]) for name, color, all_ in rates
    ]
    top = max(max(all_) for *_, all_ in rates)
    return chart("Likes a second", lines, exact(_end(found), _clock), linear(top, lambda value: f"{value:,.0f}"))


def _answer_times(found: Results) -> str:
    series = found.series
    lines = [
        Line(name, color, [(_middle(found, at), ms) for at, ms in enumerate(values)])
        for name, color, values in (("p50", "c", series.p50_ms), ("p99", "d", series.p99_ms))
    ]
    seen = [ms for line in lines for _, ms in line.points if ms and ms > 0]
    if not seen:
        return card("Answer, by when the like was due", "<p>No like was acknowledged.</p>")
    return chart(
        "Answer, by when the like was due", lines, exact(_end(found), _clock), logarithmic(min(seen), max(seen), _ms)
    )


def _how_long(found: Results) -> str:
    measured = _measured(found)
    lines = [Line(MEASURED[name], _COLORS[name], one.curve) for name, one in measured.items()]
    seen = [ms for line in lines for _, ms in line.points if ms and ms > 0]
    if not seen:
        return card("From due to done", "<p>No like was acknowledged.</p>")
    finest = max(one.of for one in measured.values())
    return chart(
        "From due to done: this share of likes is faster", lines, nines(finest), logarithmic(min(seen), max(seen), _ms)
    )


def _percentiles(found: Results) -> str:
    rows = [
        [
            MEASURED[name],
            *(("never" if ms is None else _ms(ms)) for ms in (one.p50_ms, one.p99_ms, one.p999_ms, one.max_ms)),
        ]
        for name, one in _measured(found).items()
    ]
    more = "<p>From when a like was due: time spent waiting for a free connection counts.</p>"
    return card("Percentiles", table(["", "p50", "p99", "p99.9", "longest"], rows) + more)


def _measured(found: Results) -> dict[str, Times]:
    each: dict[str, Times | None] = {name: getattr(found, name) for name in MEASURED}
    return {name: one for name, one in each.items() if one}


def _middle(found: Results, step: int) -> float:
    return (step + 0.5) * found.series.step_s


def _end(found: Results) -> float:
    return len(found.series.due) * found.series.step_s


def _clock(seconds: float) -> str:
    return f"{seconds:g} s"


def _ms(ms: float) -> str:
    """1,500 ms are 1.5 s."""
    return f"{ms / 1_000:,.3g} s" if ms >= 1_000 else f"{ms:,.3g} ms"
