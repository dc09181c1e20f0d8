"""The form of the alert rules."""

import re
from pathlib import Path

import pytest
import yaml

from tests.support.stack.prometheus import ALERTS, accelerate

RULES = {rule["alert"]: rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]}
TESTS = Path(__file__).parents[2] / "integration" / "observability"


@pytest.mark.parametrize("alert", RULES)
def test_each_alert_has_a_severity_and_a_runbook(alert: str) -> None:
    rule = RULES[alert]
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert {"summary", "description", "runbook_url"} <= rule["annotations"].keys()
    assert all(text.endswith(".") for name, text in rule["annotations"].items() if name != "runbook_url")


def test_each_alert_is_fired_by_a_test() -> None:
    faults = (TESTS / "test_monitoring.py").read_text()
    fired = re.findall(r'"(Likewise\w+)"', " ".join(re.findall(r"wait_firing\((.*?)\)", faults)))
    on_kubernetes = re.findall(r'"(Likewise\w+)": ', (TESTS / "test_alert_rules.py").read_text())
    assert on_kubernetes
    assert {*fired, *on_kubernetes} == set(RULES)


def test_rules_are_accelerated_for_tests() -> None:
    faster = accelerate("for: 1m\nrate(x[5m]) > y[30s]")
    assert faster == "for: 2s\nrate(x[10s]) > y[1s]"
