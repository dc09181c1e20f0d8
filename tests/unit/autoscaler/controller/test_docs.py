"""docs/how-to/operate-the-autoscaler.md names every setting, metric, Event and annotation, and no other."""

import re
from pathlib import Path

from autoscaler.commands import COMMANDS
from autoscaler.controller.metrics import Metrics
from autoscaler.controller.run_settings import RunSettings
from autoscaler.kubernetes.annotations import OLD_KEYS

ROOT = Path(__file__).parents[4]
TEXT = (ROOT / "docs" / "how-to" / "operate-the-autoscaler.md").read_text()
CODE = "\n".join(path.read_text() for path in (ROOT / "autoscaler").rglob("*.py"))
ONLY_LOGGED = {"DryRun", "SignalsUnavailable"}


def default_of(value: object) -> str:
    if value == "":
        return "none"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def first_column(section: str) -> set[str]:
    table = TEXT.partition(f"## {section}\n")[2].partition("\n## ")[0]
    return {name for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for name in re.findall(r"`(.+?)`", row)}


def test_the_page_names_every_setting_with_its_default_and_description():
    rows = re.findall(r"^\| `(\w+)` \| (none|`.+?`) \| (.+) \|$", TEXT, re.MULTILINE)
    fields = RunSettings.model_fields
    assert rows == [(name, default_of(field.default), field.description) for name, field in fields.items()]


def test_the_page_names_every_metric_and_no_other():
    named = set(re.findall(r"`(likewise_autoscaler_\w+)`", TEXT))
    families = Metrics().registry.collect()
    assert named == {family.name + {"counter": "_total"}.get(family.type, "") for family in families}


def test_the_page_names_every_event_and_no_other():
    recorded = re.findall(r'\.record\([^"]*?"([A-Z]\w+)"', CODE) + re.findall(r'reason="([A-Z]\w+)"', CODE)
    assert first_column("Events") == set(recorded) - ONLY_LOGGED


def test_the_page_names_every_annotation_and_its_old_key():
    assert first_column("Annotations") >= OLD_KEYS.keys()
    assert all(f"`{old}`" in TEXT for old in OLD_KEYS.values())


def test_every_command_on_the_page_exists():
    used = set(re.findall(r"^likewise-autoscaler (\w+)|-- likewise-autoscaler (\w+)", TEXT, re.MULTILINE))
    assert {name for pair in used for name in pair if name} <= {command.name for command in COMMANDS}
