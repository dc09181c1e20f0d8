"""Tests of the chart's Postgres: objects, the split of shards, and refused values."""

import base64

import pytest

from service.settings import Settings
from service.storage.postgres.shard_map import parse_shard_map
from tests.support.kubernetes.chart import RefusedError, environment, find_object, of_component, pod_spec, render

NAME = "likewise-postgres"
EXTERNAL = {"postgres.enabled": False, "postgres.external.existingSecret": "shards"}


def shard_map(**values: object) -> str:
    """Return the shard map of API pods."""
    variables = environment(pod_spec(find_object(render(**values), "Deployment", "likewise-api"))["containers"][0])
    return str(variables["LIKEWISE_SHARD_MAP"])


@pytest.mark.parametrize("databases", [1, 2, 3, 256])
def test_every_database_has_a_statefulset_a_service_and_an_even_share_of_shards(databases: int) -> None:
    values = {"postgres.databases": databases}
    objects = of_component(render(**values), "postgres")
    for kind in ("StatefulSet", "Service"):
        names = {one["metadata"]["name"] for one in objects if one["kind"] == kind}
        assert names == {f"{NAME}-{at}" for at in range(databases)}
    ranges = parse_shard_map(shard_map(**values), 256)
    sizes = {one.last - one.first + 1 for one in ranges}
    assert len(ranges) == databases
    assert max(sizes) - min(sizes) <= 1


def test_each_service_selects_its_own_database() -> None:
    objects = render(**{"postgres.databases": 2})
    for at in range(2):
        selector = find_object(objects, "Service", f"{NAME}-{at}")["spec"]["selector"]
        chosen = [
            one["metadata"]["name"]
            for one in objects
            if one["kind"] == "StatefulSet"
            and selector.items() <= one["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert chosen == [f"{NAME}-{at}"]


def test_the_shard_map_follows_the_number_of_shards() -> None:
    assert shard_map(**{"settings.shards": 64, "postgres.databases": 2}).startswith("0-31=")


def test_commits_are_synchronous() -> None:
    args = pod_spec(find_object(render(), "StatefulSet", f"{NAME}-0"))["containers"][0]["args"]
    for setting in ("fsync=on", "synchronous_commit=on", "full_page_writes=on", "max_connections=200"):
        assert args.count(setting) == 1


def test_other_parameters_are_passed_to_the_server() -> None:
    values = {"postgres.parameters.work_mem": "8MB", "postgres.parameters.max_wal_senders": 4}
    args = pod_spec(find_object(render(**values), "StatefulSet", f"{NAME}-0"))["containers"][0]["args"]
    assert "work_mem=8MB" in args
    assert "max_wal_senders=4" in args


def test_the_password_is_generated_kept_and_not_part_of_an_address() -> None:
    objects = render()
    secret = find_object(objects, "Secret", NAME)
    assert len(base64.b64decode(secret["data"]["password"])) == 32
    assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    variables = environment(pod_spec(find_object(objects, "Deployment", "likewise-flusher"))["containers"][0])
    assert variables["PGPASSWORD"] == {"secretKeyRef": {"name": NAME, "key": "password"}}
    assert variables["LIKEWISE_SHARD_MAP"] == f"0-255=postgresql://likewise@{NAME}-0:5432/likewise"


def test_an_existing_secret_is_used() -> None:
    objects = render(**{"postgres.existingSecret": "mine"})
    assert not [one for one in of_component(objects, "postgres") if one["kind"] == "Secret"]
    container = pod_spec(find_object(objects, "StatefulSet", f"{NAME}-0"))["containers"][0]
    assert environment(container)["POSTGRES_PASSWORD"] == {"secretKeyRef": {"name": "mine", "key": "password"}}


def test_external_databases_come_from_a_secret_with_the_shard_map() -> None:
    objects = render(**EXTERNAL, **{"postgres.external.key": "map"})
    assert not of_component(objects, "postgres")
    for name in ("likewise-api", "likewise-flusher"):
        variables = environment(pod_spec(find_object(objects, "Deployment", name))["containers"][0])
        assert variables["LIKEWISE_SHARD_MAP"] == {"secretKeyRef": {"name": "shards", "key": "map"}}
        assert "PGPASSWORD" not in variables


FIXED_REPLICAS = {"autoscaler.enabled": False, "hpa.enabled": False}


@pytest.mark.parametrize(
    ("values", "processes"),
    # API pods, a quarter more during an update, flushers and one more.
    [
        ({}, 10 + 3 + 8 + 1),
        ({"flusher.replicas": 12}, 10 + 3 + 12 + 1),
        ({"autoscaler.settings.max_flushers": 3}, 10 + 3 + 3 + 1),
        ({"hpa.enabled": False, "hpa.maxReplicas": 40}, 40 + 10 + 8 + 1),
        ({"autoscaler.enabled": False}, 10 + 3 + 2 + 1),
        (FIXED_REPLICAS, 2 + 1 + 2 + 1),
        (FIXED_REPLICAS | {"replicas": 4, "hpa.maxReplicas": 400}, 4 + 1 + 2 + 1),
    ],
)
def test_max_connections_covers_the_pools_of_all_processes(values: dict[str, object], processes: int) -> None:
    pool = Settings.model_fields["postgres_pool"].default
    needed = processes * pool + 13
    render(**values, **{"postgres.maxConnections": needed})
    with pytest.raises(RefusedError, match=rf"need {needed}\b"):
        render(**values, **{"postgres.maxConnections": needed - 1})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"postgres.enabled": False}, "postgres.external.existingSecret is empty"),
        ({"postgres.external.existingSecret": "shards"}, "and postgres.enabled are both set"),
        ({"postgres.parameters.fsync": False}, "postgres.parameters.fsync can't be set"),
        ({"postgres.parameters.max_connections": 50}, "postgres.parameters.max_connections can't be set"),
        ({"hpa.maxReplicas": 100}, "postgres.maxConnections (200) is too low: 134 API and flusher processes"),
        ({"api.workers": 8}, "postgres.maxConnections (200) is too low"),
        ({"settings.postgres_pool": 20}, "postgres.maxConnections (200) is too low"),
        ({"postgres.databases": 0}, "minimum"),
        ({"postgres.database": 2}, "database"),
    ],
)
def test_invalid_values_are_refused_with_a_message(values: dict[str, object], message: str) -> None:
    with pytest.raises(RefusedError) as refused:
        render(**values)
    assert message in str(refused.value)
