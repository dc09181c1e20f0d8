"""Tests that the chart accepts the old names of renamed settings for one release."""

import json
from collections.abc import Mapping

import yaml

from autoscaler.settings import PREFIX as AUTOSCALER_PREFIX
from autoscaler.settings import RENAMED as AUTOSCALER_RENAMED
from tests.support.kubernetes.chart import CHART, environment, find_object, pod_spec, render

TEMPLATE = CHART / "templates" / "settings" / "_renamed.tpl"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())["properties"]


def in_chart(section: str) -> dict[str, str]:
    """Return the new names by the old ones, as the chart's template lists them."""
    text = TEMPLATE.read_text().partition('{{- define "likewise.renamedSettings" -}}')[2].partition("{{- end -}}")[0]
    return dict(yaml.safe_load(text)[section])


def as_values(renamed: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Return names of environment variables as names of values."""
    return {old.removeprefix(prefix).lower(): new.removeprefix(prefix).lower() for old, new in renamed.items()}


def test_the_chart_lists_the_renamed_settings_of_the_autoscaler() -> None:
    assert in_chart("autoscaler.settings") == as_values(AUTOSCALER_RENAMED, AUTOSCALER_PREFIX)


def test_the_schema_accepts_old_names_and_names_the_new_ones() -> None:
    properties = SCHEMA["autoscaler"]["properties"]["settings"]["properties"]
    for old, new in in_chart("autoscaler.settings").items():
        assert properties[old]["description"] == f"Deprecated: renamed to {new}."


def test_an_old_name_is_passed_to_the_autoscaler_which_warns() -> None:
    objects = render(**{"autoscaler.settings.hold_s": 45})
    [container] = pod_spec(find_object(objects, "Deployment", "likewise-autoscaler"))["containers"]
    assert environment(container)[f"{AUTOSCALER_PREFIX}HOLD_S"] == "45"
