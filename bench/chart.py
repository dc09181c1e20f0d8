"""Draw docs/images/performance.svg: what a request costs, as bars.

`python -m bench.chart` draws it from the last results.
"""

import json
from pathlib import Path
from typing import Any

from bench.report import LATEST

CHART = Path(__file__).parents[1] / "docs" / "images" / "performance.svg"
ROWS = {
    "empty": "an empty Flask route",
    "like": "a like, durable",
    "incr": "Flask + Redis INCR",
    "textbook": "Flask + Postgres transaction",
    "read": "a count, from the pod",
}
_COLORS = {"pod": "#c2183f", "redis": "#e8853d", "postgres": "#3d7ea6", "flusher": "#8a63b8"}
_OTHER = "#8b8578"
_LEFT, _WIDTH, _BAR, _STEP = 210, 480, 22, 38
_STYLE = "text{font:14px system-ui,sans-serif;fill:#6a655c}"


def draw(microseconds: dict[str, dict[str, Any]]) -> str:
    """Return the chart as SVG. `microseconds` holds the CPU µs per request."""
    highest = max(microseconds[key]["total"] for key in ROWS)
    height = len(ROWS) * _STEP + 44
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 90} {height}" role="img">',
        "<title>CPU time of all processes for one request, in microseconds</title>",
        f"<style>{_STYLE}</style>",
    ]
    for row, (key, label) in enumerate(ROWS.items()):
        parts += _bar(row * _STEP + 8, label, microseconds[key], _WIDTH / highest)
    return "\n".join([*parts, *_legend(len(ROWS) * _STEP + 28), "</svg>"]) + "\n"


def _bar(top: int, label: str, spent: dict[str, Any], scale: float) -> list[str]:
    parts = [f'<text x="{_LEFT - 10}" y="{top + 16}" text-anchor="end">{label}</text>']
    pieces = {name: spent[name] for name in _COLORS if name in spent} if len(spent) > 2 else {}
    left = float(_LEFT)
    for name, value in (pieces if "pod" in pieces else {"": spent["total"]}).items():
        color = _COLORS.get(name, _OTHER)
        parts.append(f'<rect x="{left:.1f}" y="{top}" width="{value * scale:.1f}" height="{_BAR}" fill="{color}"/>')
        left += value * scale
    return [*parts, f'<text x="{left + 8:.1f}" y="{top + 16}">{spent["total"]:.0f} µs</text>']


def _legend(top: int) -> list[str]:
    parts, left = [], _LEFT
    for name, color in _COLORS.items():
        parts.append(f'<rect x="{left}" y="{top - 11}" width="12" height="12" fill="{color}"/>')
        parts.append(f'<text x="{left + 18}" y="{top}">{name}</text>')
        left += 100
    return parts


if __name__ == "__main__":
    CHART.write_text(draw(json.loads(LATEST.read_text())["microseconds"]), encoding="utf-8")
