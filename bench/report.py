"""Show the results of a run as a table, and write them to a JSON file."""

import json
import platform
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from bench.figures import verdict
from bench.targets import TARGETS
from service.devstack.postgres import bundled_binaries
from service.devstack.valkey import bundled_server
from service.loadtest.report.environment import describe_machine

_SECTION = re.compile(r"(<!-- (\w+): written by .*? -->\n).*?(<!-- end -->)", re.DOTALL)
LATEST = Path(__file__).parent / "results" / "latest.json"
_COLORS = {"reached": "green", "met": "green", "missed": "red", "": ""}


def table(results: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return a table of each figure, its spread, and its limit."""
    rows = Table(title="Likewise beside its peers: CPU time of all processes, and bytes", title_justify="left")
    for name in ("figure", "what"):
        rows.add_column(name, overflow="fold")
    for name in ("median", "spread", "must", "reach", "is"):
        rows.add_column(name, justify="right", no_wrap=True)
    for key, target in TARGETS.items():
        if key in results:
            rows.add_row(*_row(key, target.what, results[key]))
    return rows


def markdown(results: Mapping[str, Any]) -> str:
    """Return the table of the figures for the documentation, and how they were measured."""
    rows = ["| figure | what it compares | measured | spread | must | reach |", "|---|---|---|---|---|---|"]
    for key, target in TARGETS.items():
        if key in results:
            _, what, median, spread, must, reach, judgement = _cells(key, target.what, results[key])
            missed = " **missed**" if judgement == "missed" else ""
            rows.append(f"| `{key}` | {what} | {median}{missed} | {spread} | {must} | {reach} |")
    about = (
        f"Medians and spread of {results['rounds']} rounds of {results['requests']:,} requests of each kind, on"
        f" {results['when'][:10]}: {_software(results['machine'])}."
    )
    return "\n".join([*rows, "", about])


def write_sections(page: str, sections: Mapping[str, str]) -> str:
    """Return the text of a page with its marked sections written anew. Raises KeyError for an unknown section."""
    return _SECTION.sub(lambda found: f"{found[1]}{sections[found[2]]}\n{found[3]}", page)


def _software(machine: Mapping[str, Any]) -> str:
    kernel, valkey = machine["kernel"].partition("-")[0], machine["valkey"].partition("=")[2].partition(" ")[0]
    postgres = machine["postgres"].rpartition(" ")[2]
    return (
        f"{machine['cpu']}, {machine['cores']} shared cores,\n"
        f"{kernel}, Python {machine['python']}, Valkey {valkey}, Postgres {postgres}"
    )


def costs(microseconds: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return a table of the CPU µs of each kind of request, in total and by part."""
    rows = Table(title="CPU time of a request in µs, medians", title_justify="left")
    for name in ("kind", "total", "rounds", "by part"):
        rows.add_column(name, justify="right" if name == "total" else "left")
    for kind, spent in microseconds.items():
        parts = [f"{name} {value:g}" for name, value in spent.items() if name not in {"total", "rounds"}]
        spread = f"{min(spent['rounds']):g} to {max(spent['rounds']):g}"
        rows.add_row(kind, f"{spent['total']:g}", spread, ", ".join(parts))
    return rows


def _row(key: str, what: str, result: Mapping[str, Any]) -> list[str]:
    *cells, judgement = _cells(key, what, result)
    color = _COLORS[judgement]
    return [*cells, f"[{color}]{judgement}[/]" if color else judgement]


def _cells(key: str, what: str, result: Mapping[str, Any]) -> list[str]:
    """Return a figure as texts: key, what, median, spread, limit, goals, verdict."""
    sign = "≥ " if TARGETS[key].at_least else "≤ "
    return [
        key,
        what,
        f"{result['median']:g}",
        f"{result['min']:g} to {result['max']:g}" if result["rounds"] > 1 else "",
        f"{sign}{result['must']:g}" if result["must"] is not None else "",
        ", ".join(f"{bound:g}" for bound in result["reach"]),
        verdict(key, result["median"]),
    ]


def document(results: Mapping[str, Any], **about: Any) -> dict[str, Any]:
    """Return the content of the results file."""
    return {"machine": machine(), "when": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", **about, **results}


def write(results: Mapping[str, Any], file: Path = LATEST) -> None:
    """Write the results file atomically."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".new")
    temporary.write_text(json.dumps(results, indent=2) + "\n")
    temporary.replace(file)


def machine() -> dict[str, Any]:
    """Describe the machine of the run."""
    facts = describe_machine()
    return {
        "cpu": facts["processor"],
        "cores": facts["cores"],
        "kernel": f"{platform.system()} {platform.release()}",
        "python": facts["python"],
        "valkey": _version(bundled_server()),
        "postgres": _version(bundled_binaries() / "postgres"),
    }


def _version(program: Path) -> str:
    done = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    return done.stdout.strip()
