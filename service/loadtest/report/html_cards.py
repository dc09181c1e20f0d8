"""Render the cards of the HTML report that hold bars and tables. Pure."""

from collections.abc import Sequence
from html import escape
from typing import Any

from service.loadtest.checks.verdict import PostCounts, status_name
from service.loadtest.report.console import ERROR_LABELS
from service.loadtest.report.cost_section import cost_headings, cost_list, cost_rows
from service.loadtest.report.results import Results
from service.loadtest.usage.cpu import LOAD_TEST

# Maximum number of rows in the table of posts.
_MAX_POSTS = 10
_LABELS = {
    "likes": "likes",
    "seconds": "duration, s",
    "posts": "posts",
    "url": "target",
    "profile": "profile",
    "zipf": "Zipf exponent",
    "unlikes": "share taken back",
    "repeats": "share sent twice",
    "allow_errors": "errors allowed",
    "networks": "networks of visitors",
    "connections": "connections at the start",
    "max_connections": "connections at most",
    "late_s": "late likes are sent for at most, s",
    "drain_s": "wait at the end, s",
    "peak": "highest scheduled rate, likes/s",
    "at": "started at",
    "processor": "processor",
    "cores": "cores",
    "load_before": "load average before",
    "system": "system",
    "python": "Python",
}


def cpu_card(results: Results) -> str:
    """Render the CPU time per like of each part, the highest first."""
    costs = dict(sorted(results.cpu_us_per_like.items(), key=lambda pair: -pair[1]))
    highest = max(costs.values(), default=0) or 1
    bars = "".join(
        f'<div class="bar{" own" * (name == LOAD_TEST)}"><span>{escape(_part_label(name))}</span>'
        f'<i style="width:{100 * spent / highest:.1f}%"></i><b>{spent:,.0f} µs</b></div>'
        for name, spent in costs.items()
    )
    share = results.sender_share
    text = f"<p>The load test used {share:.2f} times the CPU of the API.</p>" if share is not None else ""
    return card("CPU time per like", bars + text)


def bytes_card(results: Results) -> str:
    """Render the bytes per like."""
    rows = [
        [name, "" if value is None else f"{value:,.0f}"]
        for name, value in (("sent", results.sent_bytes_per_like), ("received", results.received_bytes_per_like))
    ]
    text = f"<p>HTTP, as the load test sends and receives it, over at most {results.connections:,} connections.</p>"
    return card("Bytes per like", table(["", "bytes"], rows) + text)


def costs_card(results: Results) -> str:
    """Render what a million likes use, and their price."""
    costs = results.costs
    return card("", table(cost_headings(costs), cost_rows(costs)) + cost_list(costs))


def responses_card(results: Results) -> str:
    """Render the number of responses by status and kind of request."""
    statuses = sorted({status for answers in results.answers.values() for status in answers})
    rows = [[status_name(one), *(f"{counts.get(one, 0):,}" for counts in results.answers.values())] for one in statuses]
    return card("Responses", table(["status", *results.answers], rows))


def errors_card(results: Results) -> str:
    """Render the errors on the way."""
    rows = [[ERROR_LABELS[name], f"{count:,}"] for name, count in results.errors.items() if count]
    none = "<p>None. No connection was lost, and every request was answered.</p>"
    return card("Connection errors", table(["", ""], rows) if rows else none)


def posts_card(posts: Sequence[PostCounts]) -> str:
    """Render the counts of each post, those that disagree first."""
    # The common prefix is shown once, because a phone is narrow.
    prefix = posts[0].post.rpartition("-")[0]
    rows = [
        [one.post.removeprefix(f"{prefix}-"), *(f"{n:,}" for n in (one.net, one.counted, one.rows, one.shown))]
        for one in sorted(posts, key=lambda one: one.agree)[:_MAX_POSTS]
    ]
    rest = f" {len(posts) - _MAX_POSTS:,} more posts are not shown." if len(posts) > _MAX_POSTS else ""
    headings = ["post", "acknowledged", "in Redis", "in Postgres", "shown by the API"]
    return card("", table(headings, rows) + f"<p>The full names are {escape(prefix)}-0 and so on.{rest}</p>")


def values_card(values: dict[str, Any]) -> str:
    """Render settings, or facts about the machine."""
    return card("", table(["", ""], [[_LABELS.get(name, name), _text(value)] for name, value in values.items()]))


def _part_label(name: str) -> str:
    return "load test" if name == LOAD_TEST else name


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:,g}" if isinstance(value, float) else f"{value:,}"


def card(title: str, inside: str) -> str:
    """Render a box with a title, which may be empty."""
    heading = f"<h3>{escape(title)}</h3>" if title else ""
    return f'<div class="card">{heading}{inside}</div>'


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Render rows below headings. A heading may be empty."""
    cells = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    head = f"<thead><tr>{cells}</tr></thead>" if any(headings) else ""
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table>{head}<tbody>{body}</tbody></table></div>'
