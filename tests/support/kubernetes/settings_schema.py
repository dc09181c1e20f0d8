"""Build the section `settings` of values.schema.json from the settings of the service.

After a change of the settings, run `python -m tests.support.kubernetes.settings_schema` to update the file.
"""

import json
import re
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from service.settings import RENAMED, Settings
from tests.support.kubernetes.chart import CHART

SECRET = {"secret", "previous_secret", "api_keys", "jwt_keys", "redis_password"}
FROM_OTHER_VALUES = {
    "redis_urls", "redis_username", "redis_ca_file", "shard_map",
    "metrics_host", "metrics_port", "trace_endpoint", "trace_ratio",
}  # fmt: skip
DEVSTACK_ONLY = {"state_dir"}


def settings_schema() -> dict[str, Any]:
    """Return the JSON schema of the section: all settings except secrets and those that other values set."""
    return {"type": "object", "additionalProperties": False, "properties": _properties()}


def _properties() -> dict[str, Any]:
    refused = SECRET | FROM_OTHER_VALUES | DEVSTACK_ONLY
    fields = {name: _schema_of(field) for name, field in Settings.model_fields.items() if name not in refused}
    return fields | {old: fields[new] | _deprecated(new) for old, new in renamed_settings().items() if new in fields}


def renamed_settings() -> dict[str, str]:
    """Return the new names of renamed settings by the old ones, in the form of values."""
    prefix = str(Settings.model_config["env_prefix"])
    return {old.removeprefix(prefix).lower(): new.removeprefix(prefix).lower() for old, new in RENAMED.items()}


def _deprecated(new: str) -> dict[str, Any]:
    return {"deprecated": True, "description": f"Renamed to {new}."}


def _schema_of(field: FieldInfo) -> dict[str, Any]:
    kind = field.annotation
    if get_origin(kind) is Literal:
        return {"enum": list(get_args(kind))}
    if get_origin(kind) is list:
        return {"type": ["string", "array"], "items": {"type": "string"}}
    # `helm --set` passes fractions such as 0.5 as text.
    if kind is float:
        return {"type": ["number", "string"], "pattern": r"^[0-9]+(\.[0-9]+)?$", **_bounds(field)}
    names = {bool: "boolean", int: "integer", str: "string", NoneType: "null"}
    if kind not in names:
        raise TypeError(f"no JSON schema is known for {kind}")
    return {"type": names[kind], **_bounds(field)}


def _bounds(field: FieldInfo) -> dict[str, Any]:
    keywords = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
    return {
        keyword: getattr(one, bound)
        for one in field.metadata
        for bound, keyword in keywords.items()
        if hasattr(one, bound)
    }


def _write() -> None:
    """Write the section into the chart's schema, one line per setting."""
    file = CHART / "values.schema.json"
    lines = ",\n".join(f"        {json.dumps(name)}: {json.dumps(one)}" for name, one in _properties().items())
    section = r'("settings": \{\n.*?"properties": \{\n).*?(\n      \}\n)'
    text, times = re.subn(
        section, lambda found: found[1] + lines + found[2], file.read_text(), count=1, flags=re.DOTALL
    )
    assert times == 1
    file.write_text(text)


if __name__ == "__main__":
    _write()
