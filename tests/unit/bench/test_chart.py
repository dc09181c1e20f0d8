"""The charts and the table of the performance page are those of the last results of `make bench`."""

import json
from pathlib import Path
from xml.etree import ElementTree

from bench import chart
from bench.report import LATEST, markdown
from bench.targets import TARGETS

RESULTS = json.loads(LATEST.read_text())
# A test that fails here says that results were recorded and the page was not written.
REMEDY = "run: python -m bench.chart"


def test_the_charts_show_the_results() -> None:
    for name, (title, rows) in chart.CHARTS.items():
        assert (chart.IMAGES / name).read_text("utf-8") == chart.draw(title, rows, RESULTS["microseconds"]), REMEDY


def test_the_table_of_the_page_has_every_figure() -> None:
    text = chart.PAGE.read_text("utf-8")
    assert chart.with_table(text, markdown(RESULTS)) == text, REMEDY
    table = text.partition("<!-- end -->")[0]
    shown = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert shown == [key for key in TARGETS if key in RESULTS]


def test_a_figure_that_misses_its_limit_says_so() -> None:
    result = {"median": 0.3, "min": 0.2, "max": 0.4, "rounds": 5, "must": 0.28, "reach": [0.2]}
    about = {key: RESULTS[key] for key in ("machine", "when", "rounds", "requests")}
    [row] = [line for line in markdown({**about, "like_vs_empty_flask": result}).splitlines() if line.startswith("| `")]
    assert row.startswith("| `like_vs_empty_flask` | a durable like / an empty Flask route |")
    assert row.endswith("| 0.3 **missed** | 0.2 to 0.4 | ≤ 0.28 | 0.2 |")


def test_the_bars_are_as_long_as_their_parts_cost(tmp_path: Path) -> None:
    spent = {
        "mine": {"total": 80.0, "pod": 50.0, "redis": 30.0, "rounds": [80.0]},
        "other": {"total": 40.0, "go_incr": 30.0, "incr-redis": 10.0, "rounds": [40.0]},
    }
    file = tmp_path / "chart.svg"
    file.write_text(chart.draw("Costs", {"mine": "a like", "other": "Go", "absent": "x"}, spent), "utf-8")
    names = {"s": "http://www.w3.org/2000/svg"}
    root = ElementTree.parse(file).getroot()
    bars = [float(rect.attrib["width"]) for rect in root.findall("s:rect[@height='22']", names)]
    texts = [text.text for text in root.findall("s:text", names)]
    assert bars == [293.8, 176.2, 176.2, 58.8]
    assert texts == ["a like", "80 µs", "Go", "40 µs", "pod", "peer", "Redis"]
