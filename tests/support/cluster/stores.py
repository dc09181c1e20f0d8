"""The chart with nothing but its Redis and Postgres: installed in seconds, and no image of ours is needed."""

import shutil
from pathlib import Path

from tests.support.chart import CHART

_KEPT = ("redis", "postgres")


def stores_only(directory: Path) -> Path:
    """A copy of the chart below `directory`, without the manifests of our own pods."""
    copy = directory / "likewise"
    shutil.copytree(CHART, copy)
    for template in (copy / "templates").rglob("*.*"):
        ours = template.relative_to(copy / "templates").parts[0] not in _KEPT
        if ours and not template.name.startswith("_"):  # what they share stays
            template.unlink()
    return copy
