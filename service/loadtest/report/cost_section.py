"""Show the costs of a million likes, on the console and as a part of the HTML page. Pure."""

from collections.abc import Iterator
from html import escape

from rich.table import Table

from service.loadtest.report.costs import MILLION, CostReport, quantity_text


def cost_headings(costs: CostReport) -> list[str]:
    """Return the headings of the table. Without prices, it has two columns."""
    headings = ["a million likes", ""]
    currency = costs.prices.get("currency")
    return [*headings, currency, f"{currency} a month"] if currency else headings


def cost_rows(costs: CostReport) -> list[list[str]]:
    """Return the rows of the table, and the sums of the prices."""
    rows = [[line.label, quantity_text(line)] for line in costs.lines]
    if not costs.prices:
        return rows
    priced = [[*row, *_prices(line.price, monthly=line.monthly)] for row, line in zip(rows, costs.lines, strict=True)]
    sums = [f"{costs.price(monthly=monthly):.4f}" for monthly in (False, True)]
    return [*priced, ["sum", "", *sums]]


def cost_notes(costs: CostReport) -> Iterator[str]:
    """Yield what a reader needs to know about the figures."""
    if costs.likes != MILLION:
        yield f"costs are scaled from {costs.likes:,} likes; the fewer they are, the more fixed costs weigh"
    if costs.metric_series is not None:
        yield f"API and flusher have {costs.metric_series:,} series of metrics, however many likes there are"
    if costs.prices:
        yield f"prices of {costs.prices['date']}: {costs.prices['source']}"
    if costs.prices and costs.missing:
        yield "the sums of the prices leave out what was not measured"
    for reason in costs.missing:
        yield f"not measured: {reason}"


def cost_table(costs: CostReport) -> Table:
    """Return the table for the console."""
    table = Table(*cost_headings(costs), box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in cost_rows(costs):
        table.add_row(*row)
    return table


def cost_list(costs: CostReport) -> str:
    """Return the notes as HTML."""
    return "".join(f"<p>{escape(note)}</p>" for note in cost_notes(costs))


def _prices(price: float | None, *, monthly: bool) -> list[str]:
    """Return the price in the column that it belongs to."""
    text = "" if price is None else f"{price:.4f}"
    return ["", text] if monthly else [text, ""]
