"""The page about the cost of a like, its chart and the figures of the capacity model are those of the last results."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cost import sources as read
from bench.cost.__main__ import CHART, PAGE
from bench.cost.chart import draw
from bench.cost.figures import figures_toml
from bench.cost.page import render_page
from bench.errors import BenchError
from service.cost.figures import SHIPPED, Figures, read_figures
from service.cost.toml_file import read_toml

SOURCES = read.read_sources()
# A test that fails here says that results were recorded and the page was not written.
REMEDY = "run: python -m bench.cost"


def test_the_figures_of_the_package_are_those_of_the_results() -> None:
    assert SHIPPED.read_text() == figures_toml(SOURCES), REMEDY


def test_the_tables_of_the_page_are_what_the_code_prints() -> None:
    text = PAGE.read_text()
    assert render_page(text, SOURCES, read_figures()) == text, REMEDY
    assert text.count("<!-- end -->") == 4
    shown = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert {"CPU: API", "network: to clients", "API pods", "**sum**"} <= {row[0].strip() for row in shown}


def test_the_chart_shows_the_results() -> None:
    assert CHART.read_text() == draw(SOURCES), REMEDY


def test_the_cost_of_nginx_is_that_of_the_bench_if_it_has_one(tmp_path: Path) -> None:
    spent = {"pod": 80.0, "nginx": 33.3, "redis": 20.0, "postgres": 10.0, "flusher": 5.0}
    bench = {**SOURCES.bench, "microseconds": {"like_through_nginx": spent, "like": {}, "like_over_posts": {**spent}}}
    del bench["microseconds"]["like_over_posts"]["nginx"]
    file = tmp_path / "figures.toml"
    file.write_text(figures_toml(replace(SOURCES, bench=bench)))
    figures = read_toml(file, Figures)
    assert (figures.one_post.nginx, figures.many_posts.nginx, figures.one_post.api) == (33.3, 33.3, 80.0)
    del spent["nginx"]
    file.write_text(figures_toml(replace(SOURCES, bench=bench)))
    assert read_toml(file, Figures).many_posts.nginx == pytest.approx(SOURCES.drill["cpu_us_per_like"]["nginx"])


def test_a_load_test_that_lacks_figures_or_failed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cost.json"
    monkeypatch.setattr(read, "DRILL", file)
    file.write_text(json.dumps({**SOURCES.drill, "ok": False}))
    with pytest.raises(BenchError, match="is of a load test that failed; run it again"):
        read.read_sources()
    file.write_text(json.dumps({**SOURCES.drill, "costs": {"lines": []}}))
    with pytest.raises(BenchError, match=r"lacks client_out_bytes, nginx_to_api_bytes, .* against a local stack"):
        read.read_sources()
