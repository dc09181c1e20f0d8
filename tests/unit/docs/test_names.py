"""The names that pages use are those of the code: settings, metrics, renamed names, and terms of the glossary."""

import re
from functools import cache

import pytest

from autoscaler.settings import RENAMED as RENAMED_BY_AUTOSCALER
from service.settings import RENAMED, Settings
from tests.support.docs.code_blocks import ROOT, files, pages

CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
GLOSSARY = (ROOT / "docs/reference/glossary.md").read_text()
# Read by the examples, by tests and by the chart's Jobs; the autoscaler's page has its own test.
OTHER_VARIABLES = re.compile(r"LIKEWISE_(URL|KEY|TEST_\w+|DRILL_\w+|AUTOSCALER_\w*|)$")
# The tables of renamed names are there for the old names.
WITHOUT_RENAMED = re.compile(r"^\| `[^`]+` \| `[^`]+` \|$", re.MULTILINE)


def table(heading: str) -> dict[str, str]:
    """Return the new names by the old ones, from a table of the changelog."""
    section = CHANGELOG.partition(heading)[2].partition("\n#")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", section, re.MULTILINE))


@cache
def source() -> str:
    """Return the text of all source files."""
    kinds = {".py", ".lua", ".sql", ".js", ".yaml"}
    folders = ("service", "autoscaler", "helm", "tests")
    ours = [path for path in files() if path.suffix in kinds and path.relative_to(ROOT).parts[0] in folders]
    return "\n".join(path.read_text("utf-8") for path in ours if path.name != "test_names.py")


@pytest.mark.parametrize("page", pages())
def test_the_settings_that_a_page_names_exist(page: str) -> None:
    text = WITHOUT_RENAMED.sub("", (ROOT / page).read_text("utf-8"))
    named = set(re.findall(r"LIKEWISE_[A-Z_0-9]*", text)) - {"LIKEWISE_SEED_KEY"}
    known = {f"LIKEWISE_{name.upper()}" for name in Settings.model_fields}
    # `LIKEWISE_REDIS_...` stands for all that begin so.
    prefixes = {name for name in named if name.endswith("_") and any(one.startswith(name) for one in known)}
    unknown = named - known - prefixes
    assert not {name for name in unknown if not OTHER_VARIABLES.fullmatch(name)}


@pytest.mark.parametrize("page", pages())
def test_the_metrics_that_a_page_names_exist(page: str) -> None:
    text = WITHOUT_RENAMED.sub("", (ROOT / page).read_text("utf-8"))
    named = set(re.findall(r"`(likewise_[a-z_]+?)(?:_total|_bucket|_count)?[`{]", text))
    # Gauges of the autoscaler are made with its prefix.
    assert not {name for name in named if name.removeprefix("likewise_autoscaler_") not in source()}


def test_the_changelog_lists_every_renamed_setting() -> None:
    listed = table("#### Renamed settings")
    assert RENAMED.items() <= listed.items()
    assert RENAMED_BY_AUTOSCALER.items() <= listed.items()


def test_the_changelog_lists_metrics_by_the_names_that_replace_them() -> None:
    for old, new in table("#### Renamed metrics").items():
        name = re.sub(r"\{.*|_total$", "", new).removeprefix("likewise_autoscaler_")
        assert name in source(), new
        assert old.partition("{")[2] or f'"{old}"' not in source(), old


def test_the_code_of_the_glossary_exists() -> None:
    rows = re.findall(r"^\| ([^|]+) \|", GLOSSARY, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([A-Za-z_.]+)(?:\(\w*\))?`", row)}
    words = set(re.findall(r"\w+", source()))
    assert len(named) > 50
    assert not {name for name in named if not set(name.split(".")) <= words}
