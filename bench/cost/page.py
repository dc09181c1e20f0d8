"""Write the tables of docs/explanation/cost.md between their marks. Pure."""

from collections.abc import Sequence

from bench.cost.sources import Sources
from bench.report import write_sections
from service.cost.amounts import bytes_text
from service.cost.capacity import Plan
from service.cost.capacity_table import capacity_table
from service.cost.figures import Figures
from service.loadtest.report.cost_section import cost_rows
from service.loadtest.report.costs import MILLION

_NETWORK = ("client_in_bytes", "client_out_bytes", "nginx_to_api_bytes", "redis_in_bytes", "redis_out_bytes")


def render_page(text: str, sources: Sources, figures: Figures) -> str:
    """Return the page with its sections written anew. Raises KeyError for an unknown section."""
    sections = {"summary": _summary(sources), "million": _million(sources), **_capacity(sources, figures)}
    return write_sections(text, sections)


def _summary(sources: Sources) -> str:
    quantities = sources.quantities
    cpu_s = sum(quantity for name, quantity in quantities.items() if name.startswith("cpu_"))
    network = bytes_text(sum(quantities[name] for name in _NETWORK))
    stored = bytes_text(quantities["postgres_table_bytes"] + quantities["postgres_index_bytes"])
    once, monthly = (sources.costs.price(monthly=monthly) for monthly in (False, True))
    currency = sources.prices.currency
    return (
        f"**A million likes cost {cpu_s:,.0f} s of CPU time, {network} of network traffic and {stored} on the disk of\n"
        f"Postgres.** At the list prices of a cloud provider that is {once:.2f} {currency} once, and {monthly:.2f}\n"
        f"{currency} each month while the likes are kept. One like takes {cpu_s:,.0f} µs of CPU time."
    )


def _million(sources: Sources) -> str:
    *rows, sums = cost_rows(sources.costs)
    rows.append([f"**{cell}**" if cell else "" for cell in sums])
    currency = sources.prices.currency
    options, machine, costs = sources.drill["options"], sources.drill["machine"], sources.drill["costs"]
    scaled = "" if costs["likes"] == MILLION else f", scaled from {costs['likes']:,} likes"
    measured = (
        f"Measured on {sources.day} on {machine['processor']}, {machine['cores']} shared cores{scaled}, at "
        f"{costs['likes'] / options['seconds']:,.0f} likes per second for\none post. "
        f"Prices of {sources.prices.date}: {sources.prices.source}."
    )
    return "\n".join([_table(["of a million likes", "", currency, f"{currency} a month"], rows), "", measured])


def _capacity(sources: Sources, figures: Figures) -> dict[str, str]:
    table = capacity_table(Plan(0), figures, prices=sources.prices)
    measured = f"Estimated from figures of {figures.date}, measured on {figures.machine}."
    return {
        "capacity": "\n".join([_table(table.headings, table.rows), "", measured]),
        "limits": _table(table.limit_headings, table.limits),
    }


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the table in Markdown. Columns with digits are aligned to the right."""
    rules = ["---:" if any(map(str.isdigit, "".join(column))) else "---" for column in zip(*rows, strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, rules, *rows))
