"""The Grafana dashboard: positions and names of panels, and variables in queries."""

import itertools
import json
import re
from typing import Any

from tests.support.stack.prometheus import DASHBOARD

BOARD = json.loads(DASHBOARD.read_text())
PANELS: list[dict[str, Any]] = [panel for panel in BOARD["panels"] if panel["type"] != "row"]


def test_panels_have_unique_ids_and_do_not_overlap() -> None:
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    taken = [cell for panel in BOARD["panels"] for cell in cells(panel["gridPos"])]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24


def cells(place: dict[str, int]) -> list[tuple[int, int]]:
    columns = range(place["x"], place["x"] + place["w"])
    return list(itertools.product(columns, range(place["y"], place["y"] + place["h"])))


def test_every_query_uses_the_selected_source_and_namespace() -> None:
    variables = {variable["name"] for variable in BOARD["templating"]["list"]} | {"__rate_interval", "__all"}
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            selectors = re.findall(r"(?:likewise|kube)_\w+(\{.*?\})?", target["expr"])
            assert selectors
            assert all('namespace=~"$namespace"' in selector for selector in selectors), target["expr"]
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= variables


def test_panels_have_titles_and_units() -> None:
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    assert all(panel["fieldConfig"]["defaults"]["unit"] for panel in PANELS)
