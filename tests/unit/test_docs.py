"""The docs list every setting, metric, alert and log field, and every attribute, event and text of the button."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY
from pydantic import SecretStr

from service.instrumentation.flusher_metrics import FlusherMetrics
from service.settings import Settings
from tests.support.stack.prometheus import ALERTS

ROOT = Path(__file__).parents[2]
IDENTITY = (ROOT / "docs/how-to/identify-users.md").read_text()
SETTINGS = (ROOT / "docs/reference/settings.md").read_text()
MONITORING = (ROOT / "docs/reference/monitoring.md").read_text()
RUNBOOKS = ROOT / "docs/runbooks"
BUTTON = (ROOT / "docs/reference/button.md").read_text()
SCRIPT = (ROOT / "service/static/like-button.js").read_text()


def default_of(name: str) -> str:
    """Return a setting's default, as the docs write it."""
    value = Settings.model_fields[name].default
    value = value.get_secret_value() if isinstance(value, SecretStr) else value
    text = ",".join(value) if isinstance(value, list) else str(value)
    return f"`{text}`" if text else "none"


def test_the_identity_page_lists_each_setting_with_its_default():
    rows = dict(re.findall(r"^\| `LIKEWISE_(\w+)` \| (.+?) \|", IDENTITY, re.MULTILINE))
    about = r"secret|sites|api_keys|jw|limit|proxies"
    expected = {name.upper(): default_of(name) for name in Settings.model_fields if re.search(about, name)}
    assert rows == expected


def test_the_identity_page_shows_a_correct_actor_id():
    from service.auth.actor_id import actor_of_user

    shown, actor = re.search(r"`([^`]+)` is `(user:[^`]+)`", IDENTITY).groups()
    assert actor_of_user(shown) == actor


def test_the_button_page_lists_each_attribute_part_property_and_event():
    attributes = set(re.findall(r'(?:get|has)Attribute\("([a-z-]+)"', SCRIPT)) | set(
        re.findall(r'^  "([a-z-]+)":', SCRIPT, re.M)
    )
    parts = {f"::part({name})" for name in re.findall(r'part(?:: |\.toggle\()"([a-z]+)"', SCRIPT)}
    properties = set(re.findall(r"var\((--likewise-[a-z-]+)", SCRIPT))
    assert min(len(attributes), len(parts), len(properties)) > 3
    named = attributes | parts | properties | {"like", "unlike", "error"}
    assert not {name for name in named if f"`{name}`" not in BUTTON}


def test_the_button_page_lists_the_texts_of_the_button():
    texts = dict(re.findall(r'^  "([a-z-]+)": "([^"]+)"', SCRIPT, re.MULTILINE))
    shown = dict(re.findall(r"^\| `([a-z-]+)` \| `([^`]+)` \|", BUTTON, re.MULTILINE))
    assert texts == {name: shown.get(name) for name in texts}


def test_the_docs_list_every_setting_with_its_default_and_description():
    rows = re.findall(r"^\| `LIKEWISE_(\w+)` \| (.+?) \| (.+) \|$", SETTINGS, re.MULTILINE)
    fields = Settings.model_fields
    assert rows == [(name.upper(), default_of(name), field.description) for name, field in fields.items()]


def metrics() -> dict[str, set[str]]:
    """Return the metrics of pods and flushers: each name in PromQL, with its kinds and results."""
    registered = [*REGISTRY.collect(), *FlusherMetrics(1).registry.collect()]
    suffix = {"counter": "_total"}
    return {
        family.name + suffix.get(family.type, ""): {
            value for sample in family.samples for label, value in sample.labels.items() if label in {"kind", "result"}
        }
        for family in registered
        if family.name.startswith("likewise_")
    }


def test_the_docs_list_every_metric_and_no_other():
    import service.bootstrap.app  # noqa: F401 - where all that counts is imported

    named = set(re.findall(r"^\| `(likewise_\w+)` \|", MONITORING, re.MULTILINE))
    assert named == metrics().keys()
    assert len(named) > 20


def test_the_docs_list_the_kinds_of_each_metric():
    rows = dict(re.findall(r"^\| `(likewise_\w+)` \| (.+) \|$", MONITORING, re.MULTILINE))
    missing = {(name, kind) for name, kinds in metrics().items() for kind in kinds if f"`{kind}`" not in rows[name]}
    assert not missing


def test_the_docs_list_every_alert_with_its_duration_and_runbook():
    rules = {rule["alert"]: rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]}
    rows = re.findall(r"^\| \[`(\w+)`\]\(../runbooks/(\w+)\.md\) \| .+? \| (.+) \|$", MONITORING, re.MULTILINE)
    assert {alert: time for alert, _, time in rows} == {
        name: rule.get("for", "at once") for name, rule in rules.items()
    }
    for alert, runbook, _ in rows:
        assert rules[alert]["annotations"]["runbook_url"] == f"docs/runbooks/{runbook}.md"
        assert alert in (RUNBOOKS / f"{runbook}.md").read_text().splitlines()[0]
    assert {path.stem for path in RUNBOOKS.glob("Likewise*.md")} == {runbook for _, runbook, _ in rows}


@pytest.mark.parametrize("runbook", sorted(RUNBOOKS.glob("Likewise*.md")), ids=lambda path: path.stem)
def test_each_runbook_has_all_parts_and_names_only_what_exists(runbook):
    text = runbook.read_text()
    parts = re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE)
    assert parts == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    assert set(re.findall(r"`(likewise_\w+)`", text)) <= metrics().keys()
    assert {name.lower() for name in re.findall(r"LIKEWISE_(\w+)", text)} <= Settings.model_fields.keys()
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert (runbook.parent / link).exists(), link


def test_the_docs_list_every_field_of_the_logs():
    trees = [ast.parse(path.read_text()) for path in (ROOT / "service").rglob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call) and is_log(node.func)]
    fields = {keyword.arg for call in calls for keyword in call.keywords} - {None, "exc_info"}
    table = MONITORING[MONITORING.index("## Logs") : MONITORING.index("## Traces")]
    assert len(fields) > 8
    assert not {name for name in fields if f"`{name}`" not in table}


def is_log(called: ast.expr) -> bool:
    """Return whether this writes a line to a module's log."""
    if not isinstance(called, ast.Attribute) or called.attr not in {"info", "warning", "error", "exception"}:
        return False
    return isinstance(called.value, ast.Name) and called.value.id in {"log", "_log"}
