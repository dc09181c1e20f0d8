"""Draw docs/images/performance.svg and docs/images/peers.svg: what a request costs and by which part, as bars.

`python -m bench.chart` draws them from the last results, and writes the table of docs/explanation/performance.md.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.report import LATEST, markdown, write_sections

_DOCS = Path(__file__).parents[1] / "docs"
IMAGES = _DOCS / "images"
PAGE = _DOCS / "explanation" / "performance.md"
# The rows of each chart: kinds of requests, with their labels.
LIKE = {
    "like": "a like, 64 connections",
    "like_16": "16 connections",
    "like_4": "4 connections",
    "like_through_nginx": "through NGINX, 64 connections",
    "like_through_nginx_8": "through NGINX, 8 connections",
    "like_over_posts": "over 100,000 posts",
    "empty": "an empty Flask route",
    "empty_through_nginx": "the same through NGINX",
}
PEERS = {
    "like": "a like: durable, once a person",
    "node_incr": "Node + Redis INCR",
    "go_incr": "Go + Redis INCR",
    "granian_incr": "Granian + Redis INCR",
    "empty": "an empty Flask route",
    "incr": "Flask + Redis INCR",
    "textbook": "Flask + Postgres transaction",
}
CHARTS = {
    "performance.svg": ("CPU time of a like by part, in microseconds", LIKE),
    "peers.svg": ("CPU time of all processes for one request, in microseconds", PEERS),
}
# From left to right. A server whose name holds none of these words is a peer.
_PARTS = {
    "nginx": ("NGINX", "#4d8f5b"),
    "pod": ("pod", "#c2183f"),
    "peer": ("peer", "#8b8578"),
    "redis": ("Redis", "#e8853d"),
    "flusher": ("flusher", "#8a63b8"),
    "postgres": ("Postgres", "#3d7ea6"),
}
_LEFT, _WIDTH, _BAR, _STEP = 230, 470, 22, 34
_STYLE = "text{font:14px system-ui,sans-serif;fill:#6a655c}"


def draw(title: str, rows: Mapping[str, str], microseconds: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a chart as SVG. `rows`: a label for each kind of request. `microseconds`: the CPU µs per request."""
    measured = {label: microseconds[kind] for kind, label in rows.items() if kind in microseconds}
    highest = max(spent["total"] for spent in measured.values())
    height = len(measured) * _STEP + 44
    shapes = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 90} {height}" role="img">',
        f"<title>{title}</title>",
        f"<style>{_STYLE}</style>",
    ]
    for row, (label, spent) in enumerate(measured.items()):
        shapes += _bar(row * _STEP + 8, label, spent, _WIDTH / highest)
    used = {part for spent in measured.values() for part in _parts(spent)}
    return "\n".join([*shapes, *_legend(len(measured) * _STEP + 28, used), "</svg>"]) + "\n"


def _parts(spent: Mapping[str, Any]) -> dict[str, float]:
    """Return the µs of each part in the order of the chart."""
    servers = {name: value for name, value in spent.items() if name not in {"total", "rounds"}}
    found = dict.fromkeys(_PARTS, 0.0)
    for name, value in servers.items():
        found[_part(name)] += value
    return {part: value for part, value in found.items() if value}


def _part(server: str) -> str:
    return next((part for part in _PARTS if part in server.split("-")), "peer")


def _bar(top: int, label: str, spent: Mapping[str, Any], scale: float) -> Iterator[str]:
    yield f'<text x="{_LEFT - 10}" y="{top + 16}" text-anchor="end">{label}</text>'
    left = float(_LEFT)
    for part, value in _parts(spent).items():
        width = value * scale
        yield f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_BAR}" fill="{_PARTS[part][1]}"/>'
        left += width
    yield f'<text x="{left + 8:.1f}" y="{top + 16}">{spent["total"]:.0f} µs</text>'


def _legend(top: int, parts: set[str]) -> Iterator[str]:
    for at, (name, color) in enumerate(_PARTS[part] for part in _PARTS if part in parts):
        left = _LEFT + at * 90
        yield f'<rect x="{left}" y="{top - 11}" width="12" height="12" fill="{color}"/>'
        yield f'<text x="{left + 18}" y="{top}">{name}</text>'


def with_table(page: str, table: str) -> str:
    """Return the text of a page with this table in the place of the former one."""
    return write_sections(page, {"figures": table})


def main() -> None:
    """Write both charts and the table."""
    results = json.loads(LATEST.read_text())
    for name, (title, rows) in CHARTS.items():
        (IMAGES / name).write_text(draw(title, rows, results["microseconds"]), encoding="utf-8")
    PAGE.write_text(with_table(PAGE.read_text("utf-8"), markdown(results)), encoding="utf-8")


if __name__ == "__main__":
    main()
