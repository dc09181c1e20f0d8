"""What is shown and kept of a run: a table, and a JSON file."""

import json
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from bench.figures import TARGETS, verdict
from service.devstack.postgres import bundled_binaries
from service.devstack.valkey import bundled_server
from service.loadtest.report.environment import describe

LATEST = Path(__file__).parent / "results" / "latest.json"
_COLOURS = {"reached": "green", "met": "green", "missed": "red", "": ""}


def table(results: Mapping[str, Mapping[str, Any]]) -> Table:
    """Each figure with its spread beside what it must be."""
    shown = Table(title="Likewise beside its peers: CPU time of all processes, and bytes", title_justify="left")
    for name in ("figure", "what"):
        shown.add_column(name, overflow="fold")
    for name in ("median", "spread", "must", "reach", "is"):
        shown.add_column(name, justify="right", no_wrap=True)
    for key, target in TARGETS.items():
        if key in results:
            shown.add_row(*_row(key, target.what, results[key]))
    return shown


def _row(key: str, what: str, result: Mapping[str, Any]) -> list[str]:
    sign = "≥ " if TARGETS[key].at_least else "≤ "
    must = f"{sign}{result['must']:g}" if result["must"] is not None else ""
    said = verdict(key, result["median"])
    colour = _COLOURS[said]
    return [
        key,
        what,
        f"{result['median']:g}",
        f"{result['min']:g} to {result['max']:g}" if result["rounds"] > 1 else "",
        must,
        ", ".join(f"{bound:g}" for bound in result["reach"]),
        f"[{colour}]{said}[/]" if colour else said,
    ]


def document(results: Mapping[str, Any], **about: Any) -> dict[str, Any]:
    """All there is to keep."""
    return {"machine": machine(), "when": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", **about, **results}


def write(kept: Mapping[str, Any], file: Path = LATEST) -> None:
    """Whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(kept, indent=2) + "\n")
    fresh.replace(file)


def machine() -> dict[str, Any]:
    """What the run was on."""
    known = describe()
    return {
        "cpu": known["processor"],
        "cores": known["cores"],
        "kernel": f"{platform.system()} {platform.release()}",
        "python": known["python"],
        "valkey": _version(bundled_server()),
        "postgres": _version(bundled_binaries() / "postgres"),
    }


def _version(program: Path) -> str:
    done = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    return done.stdout.strip()
