"""Make a copy of the chart with only its Redis and Postgres. It installs in seconds, without an image of Likewise."""

import shutil
from pathlib import Path

from tests.support.kubernetes.chart import CHART

_KEPT = ("redis", "postgres")


def chart_of_stores(directory: Path) -> Path:
    """Return a copy of the chart below `directory`, without the manifests of Likewise's own pods."""
    copy = directory / "likewise"
    shutil.copytree(CHART, copy)
    for template in (copy / "templates").rglob("*.*"):
        removed = template.relative_to(copy / "templates").parts[0] not in _KEPT
        # Named templates are kept, because Redis and Postgres also use them.
        if removed and not template.name.startswith("_"):
            template.unlink()
    return copy
