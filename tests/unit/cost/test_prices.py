"""Test the price file: the example is valid, and each mistake is answered with its place and with what is right."""

import datetime
import re
from pathlib import Path

import pytest

from service.cost.prices import Prices
from service.cost.toml_file import TomlFileError, read_toml
from tests.support.docs.code_blocks import ROOT

EXAMPLE = ROOT / "examples/prices-aws-us-east-1.toml"
PAGE = (ROOT / "docs/how-to/load-test.md").read_text()


def test_the_example_has_public_prices_with_their_date() -> None:
    prices = read_toml(EXAMPLE, Prices)
    assert (prices.currency, prices.date) == ("USD", datetime.date(2026, 6, 17))
    assert prices.cpu_core_hour == pytest.approx(0.04048)


def test_the_page_shows_the_example() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert EXAMPLE.read_text() in blocks


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('currency = "USD"\n', "", 'the key currency is missing; add `currency = "USD"` (the currency of all prices)'),
        ("date = 2026-06-17\n", "", "the key date is missing; add `date = 2026-11-01` (the day of the price list)"),
        (
            "date = 2026-06-17",
            'date = "June"',
            "date is 'June': input should be a valid date, as in `date = 2026-11-01`",
        ),
        (
            "cpu_core_hour",
            "cpu_hour",
            "the key cpu_hour is unknown; the known ones are currency, date, source, cpu_core",
        ),
        ("0.50", "-0.5", "logs_gb is -0.5: input should be greater than or equal to 0, as in `logs_gb = 0.5`"),
        ("0.50", '"free"', "logs_gb is 'free': input should be a valid number, as in `logs_gb = 0.5` (a GB of logs)"),
        ("0.50", "inf", "logs_gb is inf: input should be a finite number"),
        ('"USD"', '""', "currency is '': string should have at least 1 character"),
        ("0.50", "", "is not valid TOML: Invalid value (at line 17, column 11)"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_and_the_remedy(tmp_path: Path, old: str, new: str, reason: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(EXAMPLE.read_text().replace(old, new))
    with pytest.raises(TomlFileError) as error:
        read_toml(file, Prices)
    assert str(error.value).startswith(str(file))
    assert reason in str(error.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"\x89PNG")
    with pytest.raises(TomlFileError, match="is not a text in UTF-8: invalid start byte at byte 0"):
        read_toml(tmp_path / "image", Prices)
    with pytest.raises(TomlFileError, match="none cannot be read: No such file or directory"):
        read_toml(tmp_path / "none", Prices)
    with pytest.raises(TomlFileError, match="cannot be read: Is a directory"):
        read_toml(tmp_path, Prices)
