"""Tests of the values that the chart refuses, and of its schema."""

import json

import pytest

from tests.support.kubernetes.chart import CHART, RefusedError, render
from tests.support.kubernetes.settings_schema import DEVSTACK_ONLY, FROM_OTHER_VALUES, SECRET, settings_schema

SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def test_the_schema_describes_each_setting() -> None:
    expected = settings_schema()
    assert SCHEMA["properties"]["settings"] == expected, "run: python -m tests.support.kubernetes.settings_schema"


@pytest.mark.parametrize("name", sorted(SECRET | FROM_OTHER_VALUES | DEVSTACK_ONLY))
def test_secrets_and_settings_that_other_values_set_are_refused(name: str) -> None:
    with pytest.raises(RefusedError, match=f"additional properties '{name}' not allowed"):
        render(**{f"settings.{name}": "x"})


def objects_of(schema: object, path: str = "") -> dict[str, object]:
    """Return every object of the schema that lists properties, by its path."""
    found = {}
    if isinstance(schema, dict):
        if "properties" in schema:
            found[path] = schema
        for name, part in schema.items():
            found |= objects_of(part, f"{path}/{name}")
    return found


def test_unknown_values_are_refused_in_all_sections() -> None:
    found = objects_of(SCHEMA)
    assert len(found) > 30
    assert not [path for path, one in found.items() if one.get("additionalProperties") is not False]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hpa.minReplica": 3}, "additional properties 'minReplica' not allowed"),
        ({"api.image.tag": "x"}, "additional properties 'image' not allowed"),
        ({"settings.ack": "disk"}, "value must be one of 'memory', 'replicated', 'postgres'"),
        ({"settings.redis_timeout_ms": 0}, "exclusiveMinimum: got 0, want 0"),
        ({"settings.nope": 1}, "additional properties 'nope' not allowed"),
        ({"api.resources.requests.cpu": "much"}, "'much' does not match pattern"),
        ({"api.workers": 0}, "minimum: got 0, want 1"),
        ({"pdb.maxUnavailable": "150%"}, "'150%' does not match pattern"),
        ({"image.digest": "latest"}, "'latest' does not match pattern"),
        ({"ingress.host": "https://a.example"}, "'https://a.example' does not match pattern"),
        ({"service.type": "Public"}, "value must be one of"),
        ({"tracing.sampleRatio": 2}, "maximum: got 2, want 1"),
        ({"fullnameOverride": "x" * 41}, "does not match pattern"),
        ({"hpa.minReplicas": 11}, "hpa.minReplicas is 11 and hpa.maxReplicas 10"),
        (
            {"flusher.replicas": 20, "autoscaler.settings.max_flushers": 1},
            "flusher.replicas is 20 and autoscaler.settings.max_flushers 1",
        ),
        ({"metrics.port": 8000}, "metrics.port is 8000, the port at which pods serve the API"),
        ({"ingress.path": "/likes"}, "additional properties 'path' not allowed"),
        ({"metrics.prometheusRule.runbookUrl": "docs"}, "'docs' does not match pattern"),
        ({"replicas": 3}, "replicas has no effect while hpa.enabled"),
        ({"api.preStopSeconds": 20}, "must be more than api.preStopSeconds (20) and the 25 s"),
        ({"api.maxSurge": 0}, "api.maxSurge and api.maxUnavailable are both 0"),
        ({"ingress.tls.enabled": True}, "ingress.tls.enabled needs ingress.tls.secretName"),
        ({"httpRoute.enabled": True}, "httpRoute.enabled needs httpRoute.parentRefs"),
        (
            {"serviceAccount.create": False, "serviceAccount.annotations.a": "b"},
            "serviceAccount.annotations has no effect while serviceAccount.create is false",
        ),
        ({"redis.enabled": False}, "redis.external.urls is empty"),
        ({"postgres.enabled": False}, "postgres.external.existingSecret is empty"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_invalid_values_are_refused_with_a_message(values: dict[str, object], message: str) -> None:
    with pytest.raises(RefusedError) as refused:
        render(**values)
    assert message in str(refused.value)
