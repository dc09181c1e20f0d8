"""What values.schema.json says of `settings`, made from the settings themselves.

After a change of them: `python -m tests.support.settings_schema` writes it.
"""

import json
import re
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from service.settings import Settings
from tests.support.chart import CHART

SECRET = {"secret", "previous_secret", "api_keys", "jwt_keys", "redis_password"}
FROM_OTHER_VALUES = {
    "redis_urls", "redis_username", "redis_ca_file", "shard_map",
    "metrics_host", "metrics_port", "trace_endpoint", "trace_ratio",
}  # fmt: skip
OF_THE_LOCAL_STACK = {"state_dir"}


def settings_schema() -> dict[str, Any]:
    """The JSON schema of the section: every setting that is no secret and that no other value gives."""
    return {"type": "object", "additionalProperties": False, "properties": _fields()}


def _fields() -> dict[str, Any]:
    refused = SECRET | FROM_OTHER_VALUES | OF_THE_LOCAL_STACK
    return {name: _schema_of(field) for name, field in Settings.model_fields.items() if name not in refused}


def _schema_of(field: FieldInfo) -> dict[str, Any]:
    kind = field.annotation
    if get_origin(kind) is Literal:
        return {"enum": list(get_args(kind))}
    if get_origin(kind) is list:
        return {"type": ["string", "array"], "items": {"type": "string"}}
    if kind is float:  # --set knows no fractions: 0.5 comes as text
        return {"type": ["number", "string"], "pattern": r"^[0-9]+(\.[0-9]+)?$", **_bounds(field)}
    names = {bool: "boolean", int: "integer", str: "string", NoneType: "null"}
    if kind not in names:
        raise TypeError(f"{kind}: say here how values write it")
    return {"type": names[kind], **_bounds(field)}


def _bounds(field: FieldInfo) -> dict[str, Any]:
    words = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
    return {word: getattr(one, bound) for one in field.metadata for bound, word in words.items() if hasattr(one, bound)}


def _write() -> None:
    """Put the settings as they are into the chart's schema, a line each."""
    file = CHART / "values.schema.json"
    lines = ",\n".join(f"        {json.dumps(name)}: {json.dumps(one)}" for name, one in _fields().items())
    section = r'("settings": \{\n.*?"properties": \{\n).*?(\n      \}\n)'
    text, times = re.subn(
        section, lambda found: found[1] + lines + found[2], file.read_text(), count=1, flags=re.DOTALL
    )
    assert times == 1
    file.write_text(text)


if __name__ == "__main__":
    _write()
