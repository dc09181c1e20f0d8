"""Tests of the notes that `helm install` prints."""

import subprocess

import pytest

from tests.support.kubernetes.chart import CHART
from tests.support.runner.requirements import program


def notes(**values: str) -> str:
    """Return the notes of a first install, rendered without a cluster."""
    sets = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
    command = [str(program("helm")), "install", "likewise", str(CHART), "--dry-run=client", *sets]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.partition("\nNOTES:\n")[2]


def test_notes_say_how_to_reach_the_api() -> None:
    text = notes()
    assert "port-forward service/likewise 8080:80" in text
    assert "helm --namespace default test likewise --logs" in text
    with_host = notes(**{"ingress.host": "likes.example", "ingress.tls.enabled": "true", "ingress.tls.secretName": "c"})
    assert "curl -i -X PUT https://likes.example/v1/posts/hello-world/like" in with_host


def test_notes_mention_the_autoscaler_if_it_is_enabled() -> None:
    assert "exec deployment/likewise-autoscaler -- likewise-autoscaler explain" in notes()
    assert "likewise-autoscaler" not in notes(**{"autoscaler.enabled": "false"})


def test_a_replica_for_each_primary_gives_no_warning() -> None:
    assert "redis.replicas" not in notes()


SAFE = {
    "secret.existingSecret": "mine",
    "ingress.tls.enabled": "true",
    "ingress.tls.secretName": "c",
    "settings.sites": "https://a.example",
    "redis.enabled": "false",
    "redis.external.urls[0]": "redis://r.example:6379",
    "postgres.enabled": "false",
    "postgres.external.existingSecret": "shards",
}


def test_a_production_setup_gives_no_warning() -> None:
    assert "Before production use" not in notes(**SAFE)


@pytest.mark.parametrize(
    ("values", "warning"),
    [
        ({"hpa.minReplicas": "1"}, "hpa.minReplicas is 1"),
        ({"hpa.enabled": "false", "autoscaler.enabled": "false", "replicas": "1"}, "replicas is below 2"),
        ({"hpa.enabled": "false", "hpa.minReplicas": "1"}, "hpa.minReplicas is 1"),
        ({"networkPolicy.enabled": "false"}, "networkPolicy.enabled is false"),
        (
            {"redis.enabled": "true", "redis.external.urls": "null", "redis.replicas": "5"},
            "redis.replicas is 5 with 3",
        ),
        ({"pdb.enabled": "false"}, "pdb.enabled is false"),
        ({"secret.existingSecret": ""}, "the chart created the Secret likewise: keep a copy"),
        ({"ingress.tls.enabled": "false"}, "cookies and tokens are sent unencrypted"),
        ({"settings.sites": ""}, "pages of other origins can't embed the button"),
        ({"postgres.enabled": "true", "postgres.external.existingSecret": ""}, "no replica and no backup"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_unsafe_values_give_a_warning(values: dict[str, str], warning: str) -> None:
    assert warning in notes(**(SAFE | values))


@pytest.mark.parametrize("store", ["redis", "postgres"])
def test_missing_persistence_gives_a_warning(store: str) -> None:
    assert f"{store}.persistence is disabled" in notes(**{f"{store}.persistence.enabled": "false"})


def test_renamed_settings_are_listed_with_their_new_names() -> None:
    assert "Renamed values" not in notes()
    text = notes(**{"autoscaler.settings.hold_s": "45", "settings.mint_limit": "5/minute"})
    assert "autoscaler.settings.hold_s was renamed: use autoscaler.settings.stabilization_s" in text
    assert "settings.mint_limit was renamed: use settings.new_visitor_limit" in text
    text = notes(**{"autoscaler.settings.hold_s": "45", "autoscaler.settings.stabilization_s": "50"})
    assert (
        "autoscaler.settings.hold_s is ignored, because autoscaler.settings.stabilization_s is set: remove it" in text
    )
