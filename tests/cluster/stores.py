"""The chart with nothing but its Redis and Postgres: installed in seconds, and no image of ours is needed."""

import shutil
from pathlib import Path

from tests.cluster.kubernetes import CHART

_KEPT = ("redis", "postgres", "_names.tpl", "_pods.tpl")


def stores_only(directory: Path) -> Path:
    """A copy of the chart below `directory`, without the templates of our own pods."""
    copy = directory / "likewise"
    shutil.copytree(CHART, copy)
    for template in (copy / "templates").iterdir():
        if template.name not in _KEPT:
            shutil.rmtree(template) if template.is_dir() else template.unlink()
    return copy
