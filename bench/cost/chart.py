"""Draw docs/images/cost.svg: the share of each part in CPU time, traffic, storage and price. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.cost.sources import Sources
from service.cost.amounts import bytes_text
from service.loadtest.report.costs import CostLine

_COLORS = ("#c2183f", "#e8853d", "#3d7ea6", "#8a63b8", "#5c8a4a", "#8b8578", "#b99a2d", "#4a9d93")
_LEFT, _WIDTH, _BAR, _STEP = 10, 760, 26, 86
_CHARACTER = 8
_STYLE = "text{font:14px system-ui,sans-serif;fill:#6a655c}.on{fill:#fff}.title{font-weight:600}"


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar whose pieces add up to its whole width."""

    title: str
    pieces: Sequence[tuple[str, float]]


def draw(sources: Sources) -> str:
    """Return the chart as SVG."""
    bars = _bars(sources.costs.lines, sources.prices.currency)
    size = f"{_LEFT * 2 + _WIDTH} {len(bars) * _STEP + 6}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img">',
        "<title>The share of each part in the cost of a million likes</title>",
        f"<style>{_STYLE}</style>",
    ]
    for row, bar in enumerate(bars):
        parts += _draw_bar(row * _STEP + 20, bar)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bars(lines: Sequence[CostLine], currency: str) -> list[Bar]:
    cpu = _pieces(lines, "CPU: ", lambda line: line.quantity)
    network = _pieces(lines, "network: ", lambda line: line.quantity)
    written = {"redis_disk_bytes": "append-only file of Redis", "postgres_wal_bytes": "write-ahead log"}
    written |= {"postgres_table_bytes": "tables", "postgres_index_bytes": "indexes"}
    stored = [(written[line.name], line.quantity) for line in lines if line.name in written]
    groups = {
        "CPU time": "cpu_",
        "traffic to clients": "client_out",
        "traffic inside": "network",
        "memory": "redis_memory",
    }
    prices = [(name, sum(line.price or 0 for line in lines if _is_in(line, prefix))) for name, prefix in groups.items()]
    prices.append(("metrics", sum(line.price or 0 for line in lines if line.name == "metric_samples")))
    return [
        Bar(f"CPU time: {_total(cpu):,.0f} s", cpu),
        Bar(f"Network: {bytes_text(_total(network))}", network),
        Bar(f"Written to disk: {bytes_text(_total(stored))}", stored),
        Bar(f"Price, once: {_total(prices):.4f} {currency}", prices),
    ]


def _is_in(line: CostLine, group: str) -> bool:
    if group == "network":
        return line.label.startswith("network: ") and not line.name.startswith("client_")
    return line.name.startswith(group)


def _pieces(lines: Sequence[CostLine], prefix: str, value: Callable[[CostLine], float]) -> list[tuple[str, float]]:
    found = [(line.label.removeprefix(prefix), value(line)) for line in lines if line.label.startswith(prefix)]
    return [(name, amount) for name, amount in found if amount]


def _total(pieces: Sequence[tuple[str, float]]) -> float:
    return sum(amount for _, amount in pieces)


def _draw_bar(top: int, bar: Bar) -> list[str]:
    parts = [f'<text class="title" x="{_LEFT}" y="{top}">{bar.title}</text>']
    left, legend = float(_LEFT), float(_LEFT)
    total = _total(bar.pieces)
    for color, (name, amount) in zip(_COLORS, bar.pieces, strict=False):
        width = amount / total * _WIDTH
        parts.append(f'<rect x="{left:.1f}" y="{top + 8}" width="{width:.1f}" height="{_BAR}" fill="{color}"/>')
        share = f"{100 * amount / total:.0f} %"
        if width > len(share) * _CHARACTER + 6:
            parts.append(f'<text class="on" x="{left + 5:.1f}" y="{top + 26}">{share}</text>')
        parts.append(f'<rect x="{legend:.1f}" y="{top + 41}" width="11" height="11" fill="{color}"/>')
        parts.append(f'<text x="{legend + 16:.1f}" y="{top + 51}">{name}</text>')
        legend += len(name) * _CHARACTER + 34
        left += width
    return parts
