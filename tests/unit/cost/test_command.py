"""Test the command `likewise capacity`: its tables, its JSON, and its answers to wrong options."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service.cli import main
from service.cost.figures import SHIPPED
from tests.support.docs.code_blocks import ROOT

PRICES = str(ROOT / "examples/prices-aws-us-east-1.toml")


def run(*options: str, **environment: str) -> Result:
    return CliRunner().invoke(main, ["capacity", *options], env=environment)


def test_the_tables_name_the_machine_and_the_limits() -> None:
    result = run("--likes-per-second", "5000", "--likes-per-second", "7000000", "--prices", PRICES)
    assert result.exit_code == 0
    assert result.output.split("\n")[0].split() == ["likes", "per", "second", "5,000", "7,000,000"]
    assert "USD for a day" in result.output
    assert "raise hpa.maxReplicas" in result.output
    assert "An estimate from figures of 20" in result.output


def test_settings_and_figures_change_the_result(tmp_path: Path) -> None:
    def connections(*options: str, **environment: str) -> int:
        result = run("--json", "--likes-per-second", "1000", *options, **environment)
        return int(json.loads(result.output)["rates"][0]["connections"])

    assert connections(LIKEWISE_POSTGRES_POOL="5") - 13 == (connections() - 13) / 2 * 5
    figures = tmp_path / "figures.toml"
    figures.write_text(SHIPPED.read_text().replace("api = ", "api = 1000"))
    assert connections("--figures", str(figures)) > connections()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--likes-per-second", "0"], "0 is not in the range 1<=x<=100000000."),
        (["--likes-per-second", "many"], "'many' is not a valid integer range."),
        (["--one-post-share", "2"], "2.0 is not in the range 0<=x<=1."),
        (["--utilization", "0"], "0.0 is not in the range 0<x<=1."),
        (["--prices", "no.toml"], "Invalid value for --prices: no.toml cannot be read: No such file or directory"),
        (["--figures", PRICES], "the key machine is missing; add `machine = \"4 cores\"` (where they were measured)"),
        (["--figures", PRICES], "the key one_post is missing; add the table [one_post]"),
        (["--figures", PRICES], "the key currency is unknown; the known ones are date, machine, one_post, many_posts"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_refused_with_the_valid_values(options: list[str], reason: str) -> None:
    result = run(*options)
    assert result.exit_code == 2
    assert reason in result.output


def test_a_wrong_figure_is_named_with_its_table(tmp_path: Path) -> None:
    figures = tmp_path / "figures.toml"
    figures.write_text(SHIPPED.read_text().replace("api = ", "api = -"))
    result = run("--figures", str(figures))
    assert result.exit_code == 2
    assert "input should be greater than 0, as in `api = 90.0` (µs of the API)" in result.output
    assert "one_post.api is -" in result.output


def test_a_wrong_price_file_is_refused_before_the_load_test() -> None:
    command = ["drill", "--likes", "1", "--in", "1s", "--url", "http://127.0.0.1:1", "--prices", str(SHIPPED)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert f"Invalid value for --prices: {SHIPPED}: the key currency is missing" in result.output
