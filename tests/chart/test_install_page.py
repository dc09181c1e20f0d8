"""What docs/how-to/install.md says of the default installation is what the chart asks for."""

import json
import re
from pathlib import Path

from tests.support.chart import CHART, Object, pod, render

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "install.md").read_text()
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
SERVERS = {"Deployment", "StatefulSet"}  # Jobs end
_UNITS = {"": 1.0, "m": 0.001, "Mi": 2.0**20, "Gi": 2.0**30}


def amount(quantity: str | float) -> float:
    """`250m` CPUs, or the bytes of `512Mi`."""
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(quantity)).groups()  # type: ignore[union-attr]
    return float(number) * _UNITS[unit]


def replicas(server: Object) -> int:
    """How many pods at rest: who scales leaves the number out, and the least is two."""
    return int(server["spec"].get("replicas", 2))


def requested(server: Object, resource: str) -> float:
    """What all its pods request of a resource."""
    per_pod = sum(amount(one["resources"]["requests"][resource]) for one in pod(server)["containers"])
    return replicas(server) * per_pod


def volumes(server: Object) -> float:
    """Bytes of all its volumes."""
    claims = server["spec"].get("volumeClaimTemplates", [])
    return replicas(server) * sum(amount(one["spec"]["resources"]["requests"]["storage"]) for one in claims)


def test_the_page_says_how_much_it_requests() -> None:
    servers = [one for one in render() if one["kind"] in SERVERS]
    cpus = sum(requested(one, "cpu") for one in servers)
    memory = sum(requested(one, "memory") for one in servers) / 2**30
    disks = sum(volumes(one) for one in servers) / 2**30
    pods = sum(replicas(one) for one in servers)
    said = f"{cpus:.2f} CPUs and {memory:.1f} GiB of memory in {pods} pods, and {disks:.0f} GiB of volumes"
    assert said in " ".join(PAGE.split())


def test_the_page_names_only_values_that_there_are() -> None:
    rows = re.findall(r"^\| (`.+?`) \| ", PAGE.partition("## Values you will want first")[2], re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+\.[\w.]+)", row)]
    assert len(named) > 15
    for name in named:
        assert known(name), name


def known(name: str) -> bool:
    """Whether the schema has it."""
    found = SCHEMA
    for part in name.rstrip(".").split("."):
        found = inner(found, part)
    return bool(found)


def inner(schema: Object, name: str) -> Object:
    """What the schema says of a property of that name; nothing where it has none."""
    if "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
    others = schema.get("additionalProperties")
    return dict(schema.get("properties", {}).get(name, others if isinstance(others, dict) else {}))
