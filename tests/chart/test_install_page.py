"""Tests that docs/how-to/install.md describes the chart's default installation."""

import json
import re
from pathlib import Path

from tests.support.kubernetes.chart import CHART, Object, pod_spec, render

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "install.md").read_text()
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
# Jobs are not counted, because they end.
SERVER_KINDS = {"Deployment", "StatefulSet"}
_UNITS = {"": 1.0, "m": 0.001, "Mi": 2.0**20, "Gi": 2.0**30}


def amount(quantity: str | float) -> float:
    """Return the number of CPUs of `250m`, or the bytes of `512Mi`."""
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(quantity)).groups()  # type: ignore[union-attr]
    return float(number) * _UNITS[unit]


def replicas(server: Object) -> int:
    """Return the number of pods without load. Scaled objects have no replicas, and their minimum is two."""
    return int(server["spec"].get("replicas", 2))


def requested(server: Object, resource: str) -> float:
    """Return the sum of all pods' requests of a resource."""
    per_pod = sum(amount(one["resources"]["requests"][resource]) for one in pod_spec(server)["containers"])
    return replicas(server) * per_pod


def volumes(server: Object) -> float:
    """Return the bytes of all volumes."""
    claims = server["spec"].get("volumeClaimTemplates", [])
    return replicas(server) * sum(amount(one["spec"]["resources"]["requests"]["storage"]) for one in claims)


def test_the_page_states_the_requested_resources() -> None:
    servers = [one for one in render() if one["kind"] in SERVER_KINDS]
    cpus = sum(requested(one, "cpu") for one in servers)
    memory = sum(requested(one, "memory") for one in servers) / 2**30
    disks = sum(volumes(one) for one in servers) / 2**30
    pods = sum(replicas(one) for one in servers)
    sentence = f"{cpus:.2f} CPUs and {memory:.1f} GiB of memory in {pods} pods, and {disks:.0f} GiB of volumes"
    assert sentence in " ".join(PAGE.split())


def test_the_page_names_only_existing_values() -> None:
    rows = re.findall(r"^\| (`.+?`) \| ", PAGE.partition("## Values to set first")[2], re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+\.[\w.]+)", row)]
    assert len(named) > 15
    for name in named:
        assert in_schema(name), name


def in_schema(name: str) -> bool:
    """Tell whether the schema has a value."""
    found = SCHEMA
    for part in name.rstrip(".").split("."):
        found = property_schema(found, part)
    return bool(found)


def property_schema(schema: Object, name: str) -> Object:
    """Return the schema of a property, or an empty one if there is none."""
    if "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
    additional = schema.get("additionalProperties")
    return dict(schema.get("properties", {}).get(name, additional if isinstance(additional, dict) else {}))
