"""docs/how-to/operate-the-autoscaler.md names every setting, metric and Event, and no other."""

import re
from pathlib import Path

from autoscaler.commands import COMMANDS
from autoscaler.controller.metrics import Metrics
from autoscaler.controller.run_settings import RunSettings

ROOT = Path(__file__).parents[4]
TEXT = (ROOT / "docs" / "how-to" / "operate-the-autoscaler.md").read_text()
CODE = "\n".join(path.read_text() for path in (ROOT / "autoscaler").rglob("*.py"))


def default_of(value: object) -> str:
    if value == "":
        return "none"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def test_every_setting_stands_in_it_with_its_default_and_what_it_is():
    rows = re.findall(r"^\| `(\w+)` \| (none|`.+?`) \| (.+) \|$", TEXT, re.MULTILINE)
    fields = RunSettings.model_fields
    assert rows == [(name, default_of(field.default), field.description) for name, field in fields.items()]


def test_every_metric_stands_in_it_and_no_other():
    named = set(re.findall(r"`(likewise_autoscaler_\w+)`", TEXT))
    families = Metrics().registry.collect()
    assert named == {family.name + {"counter": "_total"}.get(family.type, "") for family in families}


def test_every_event_stands_in_it_and_no_other():
    made = set(re.findall(r'\.say\([^"]*?"([A-Z]\w+)"', CODE)) | set(re.findall(r'reason="([A-Z]\w+)"', CODE))
    table = TEXT.partition("## Events")[2].partition("## ")[0]
    named = {name for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert named == made - {"DryRun", "SignalsUnavailable"}  # which are in the log alone


def test_every_command_of_it_is_one():
    used = set(re.findall(r"^likewise-autoscaler (\w+)|-- likewise-autoscaler (\w+)", TEXT, re.MULTILINE))
    assert {name for pair in used for name in pair if name} <= {command.name for command in COMMANDS}
