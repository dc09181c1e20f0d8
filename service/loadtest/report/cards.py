"""Cards of the drill's page that hold bars and tables. Pure."""

from collections.abc import Sequence
from html import escape
from typing import Any

from service.loadtest.checks.verdict import Counts
from service.loadtest.checks.verdict import named as named_status
from service.loadtest.report.console import MEANING
from service.loadtest.report.cpu_cost import DRILL
from service.loadtest.report.results import Results

_POSTS = 10  # of the table of posts
_LABELS = {
    "seconds": "time, s",
    "zipf": "Zipf exponent",
    "unlikes": "share taken back",
    "repeats": "share sent again",
    "trouble": "trouble expected",
    "networks": "networks, 0: this machine's",
    "connections": "connections at first",
    "most_connections": "connections at most",
    "drain_s": "patience after the last, s",
    "peak": "highest rate due, likes a second",
    "load_before": "load before",
}


def cpu(found: Results) -> str:
    """What each part used for a like, the most first."""
    costs = dict(sorted(found.cpu_us_per_like.items(), key=lambda pair: -pair[1]))
    most = max(costs.values(), default=0) or 1
    bars = "".join(
        f'<div class="bar{" own" * (name == DRILL)}"><span>{escape(name)}</span>'
        f'<i style="width:{100 * spent / most:.1f}%"></i><b>{spent:,.0f} µs</b></div>'
        for name, spent in costs.items()
    )
    share = found.sender_share
    more = f"<p>The drill itself uses {share:.2f} of the API's CPU.</p>" if share is not None else ""
    return card("CPU per like", bars + more)


def wire(found: Results) -> str:
    """Bytes for a like."""
    rows = [
        [name, "" if each is None else f"{each:,.0f}"]
        for name, each in (("sent", found.sent_bytes_per_like), ("received", found.received_bytes_per_like))
    ]
    more = f"<p>HTTP as the drill's sockets have it; at most {found.connections:,} connections.</p>"
    return card("Bytes per like", table(["", "bytes"], rows) + more)


def answers(found: Results) -> str:
    """How many answers of each status each kind of request had."""
    statuses = sorted({status for answers in found.answers.values() for status in answers})
    rows = [[named_status(one), *(f"{each.get(one, 0):,}" for each in found.answers.values())] for one in statuses]
    return card("Answers", table(["", *found.answers], rows))


def errors(found: Results) -> str:
    """What went wrong on the way."""
    rows = [[MEANING[name], f"{count:,}"] for name, count in found.errors.items() if count]
    none = "<p>None: every connection held, and every request was answered.</p>"
    return card("Trouble on the way", table(["", ""], rows) if rows else none)


def posts(posts: Sequence[Counts]) -> str:
    """Those that disagree first; what all names begin with is said once, as a phone is narrow."""
    common = posts[0].post.rpartition("-")[0]
    rows = [
        [one.post.removeprefix(common), f"{one.net:,}", f"{one.counted:,}", f"{one.rows:,}", f"{one.shown:,}"]
        for one in sorted(posts, key=lambda one: one.agree)[:_POSTS]
    ]
    left = f", and {len(posts) - _POSTS:,} more" if len(posts) > _POSTS else ""
    heads = ["", "acknowledged", "Redis", "Postgres", "readers"]
    return card("", table(heads, rows) + f"<p>Each is named {escape(common)}- and its number{left}.</p>")


def named(values: dict[str, Any]) -> str:
    """Settings, or what was found of the machine."""
    return card("", table(["", ""], [[_LABELS.get(name, name), _plain(value)] for name, value in values.items()]))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:,g}" if isinstance(value, float) else f"{value:,}"


def card(title: str, inside: str) -> str:
    """A box with a title."""
    heading = f"<h3>{escape(title)}</h3>" if title else ""
    return f'<div class="card">{heading}{inside}</div>'


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows below heads; a head may be empty."""
    top = "".join(f"<th>{escape(head)}</th>" for head in heads)
    top = f"<thead><tr>{top}</tr></thead>" if any(heads) else ""
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table>{top}<tbody>{body}</tbody></table></div>'
