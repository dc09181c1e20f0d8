"""Write the figures of the capacity model, the tables of the page, and the chart, from the last results.

Record the results first: `make bench`, and the load test that docs/explanation/cost.md names.
"""

from bench.cost.chart import draw
from bench.cost.figures import figures_toml
from bench.cost.page import render_page
from bench.cost.sources import ROOT, read_sources
from service.cost.figures import SHIPPED, read_figures

PAGE = ROOT / "docs" / "explanation" / "cost.md"
CHART = ROOT / "docs" / "images" / "cost.svg"


def main() -> None:
    """Write all three."""
    sources = read_sources()
    SHIPPED.write_text(figures_toml(sources), encoding="utf-8")
    PAGE.write_text(render_page(PAGE.read_text("utf-8"), sources, read_figures()), encoding="utf-8")
    CHART.write_text(draw(sources), encoding="utf-8")


if __name__ == "__main__":
    main()
