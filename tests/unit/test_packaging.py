"""The package declares all that it imports, and ships all that it needs."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
OURS = {"service", "autoscaler", "tests", "bench", "k8s", "_typeshed"}
# Extras that belong to the shipped packages. The other extras are for development only.
SHIPPED_EXTRAS = ("tracing", "local")


def canonical(name: str) -> str:
    """Return a distribution's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str) -> set[str]:
    """Return the distributions that the project and these extras require."""
    requirements = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    return {canonical(re.split(r"[\[<>=!~; ]", line)[0]) for line in requirements}


def imported(*folders: str) -> set[str]:
    """Return the top-level modules that the Python files of these folders import."""
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text()))]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names - OURS


@pytest.mark.parametrize(
    ("folders", "extras"),
    [(("service", "autoscaler"), SHIPPED_EXTRAS), (("tests", "bench", "k8s"), tuple(EXTRAS))],
    ids=["shipped", "development"],
)
def test_every_imported_package_is_declared(folders: tuple[str, ...], extras: tuple[str, ...]) -> None:
    distributions = importlib.metadata.packages_distributions()
    sources = {module: {canonical(name) for name in distributions.get(module, [])} for module in imported(*folders)}
    assert len(sources) > 5
    assert not {module for module, names in sources.items() if not names & declared(*extras)}


@pytest.mark.parametrize("package", ["service", "autoscaler"])
def test_the_package_tells_type_checkers_that_it_is_typed(package: str) -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert (ROOT / package / "py.typed").exists()
    assert "py.typed" in data[package]
