"""Tests that the chart accepts the old names of renamed settings for one release."""

import json

import pytest
import yaml

from autoscaler.settings import PREFIX as AUTOSCALER_PREFIX
from autoscaler.settings import RENAMED as AUTOSCALER_RENAMED
from tests.support.kubernetes.chart import CHART, environment, find_object, pod_spec, render
from tests.support.kubernetes.settings_schema import renamed_settings

TEMPLATE = CHART / "templates" / "settings" / "_renamed.tpl"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())["properties"]
SECTIONS = {
    "settings": SCHEMA["settings"]["properties"],
    "autoscaler.settings": SCHEMA["autoscaler"]["properties"]["settings"]["properties"],
}


def in_chart(section: str) -> dict[str, str]:
    """Return the new names by the old ones, as the chart's template lists them."""
    text = TEMPLATE.read_text().partition('{{- define "likewise.renamedSettings" -}}')[2].partition("{{- end -}}")[0]
    return dict(yaml.safe_load(text)[section])


def of_autoscaler() -> dict[str, str]:
    """Return the new names by the old ones, as the autoscaler accepts them."""
    renamed = AUTOSCALER_RENAMED.items()
    return {_value_name(old): _value_name(new) for old, new in renamed}


def _value_name(variable: str) -> str:
    return variable.removeprefix(AUTOSCALER_PREFIX).lower()


def test_the_chart_lists_the_renamed_settings() -> None:
    assert in_chart("settings") == renamed_settings()
    assert in_chart("autoscaler.settings") == of_autoscaler()


@pytest.mark.parametrize("section", SECTIONS)
def test_the_schema_accepts_old_names_and_names_the_new_ones(section: str) -> None:
    for old, new in in_chart(section).items():
        old_schema, new_schema = dict(SECTIONS[section][old]), SECTIONS[section][new]
        assert old_schema.pop("deprecated") is True
        assert old_schema.pop("description") == f"Renamed to {new}."
        assert old_schema == new_schema


def test_an_old_name_is_passed_to_the_pods_which_warn() -> None:
    objects = render(**{"autoscaler.settings.hold_s": 45, "settings.mint_limit": "5/minute"})
    [container] = pod_spec(find_object(objects, "Deployment", "likewise-autoscaler"))["containers"]
    assert environment(container)[f"{AUTOSCALER_PREFIX}HOLD_S"] == "45"
    assert find_object(objects, "ConfigMap", "likewise")["data"]["LIKEWISE_MINT_LIMIT"] == "5/minute"
