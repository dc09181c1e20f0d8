"""Tests of the chart's Postgres: rows survive pods and releases, and the number of databases is fixed."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster.kubectl import CommandError, Namespace, eventually, namespace
from tests.support.cluster.stores import chart_of_stores

NAME = "likewise-postgres"
PODS = [f"{NAME}-{at}-0" for at in range(2)]


class Postgres:
    """The databases of the release."""

    def __init__(self, space: Namespace, chart: Path) -> None:
        self.space = space
        self._chart = chart

    def install(self, databases: int = 2) -> None:
        """Install or upgrade, and wait until every database answers."""
        external = {"redis.enabled": False, "redis.external.urls[0]": "redis://none:6379"}
        self.space.install(chart=self._chart, **external, **{"postgres.databases": databases})
        for database in range(databases):
            eventually(lambda at=database: self.query(at, "SELECT 1") == "1")

    def query(self, database: int, sql: str) -> str:
        """Return the answer of a database, through its Service and with the Secret's password."""
        command = 'PGPASSWORD=$POSTGRES_PASSWORD psql -h "$0" -U likewise -Atc "$1"'
        return self.space.execute(PODS[database], "sh", "-c", command, f"{NAME}-{database}", sql).strip()

    def write_marker(self, value: str) -> None:
        """Write a row to every database."""
        for database in range(2):
            self.query(database, f"CREATE TABLE IF NOT EXISTS marks (text text); INSERT INTO marks VALUES ('{value}')")

    def has_marker(self, value: str) -> bool:
        """Tell whether every database has the row once."""
        counts = [self.query(at, f"SELECT count(*) FROM marks WHERE text = '{value}'") for at in range(2)]
        return counts == ["1", "1"]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with namespace("likewise-postgres-test") as space:
        databases = Postgres(space, chart_of_stores(tmp_path_factory.mktemp("chart")))
        databases.install()
        yield databases


def test_rows_survive_a_deleted_pod_with_a_connected_client(postgres: Postgres) -> None:
    postgres.write_marker("deleted")
    client = ["kubectl", "-n", postgres.space.name, "exec", PODS[0], "--", "psql", "-U", "likewise", "-c"]
    with subprocess.Popen(
        [*client, "SELECT pg_sleep(300)"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as session:
        eventually(
            lambda: postgres.query(0, "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT pg_sle'") == "1"
        )
        # A smart shutdown would wait until the client disconnects.
        postgres.space.kubectl("delete", "pod", *PODS, timeout_s=60)
        session.wait(timeout=30)
    eventually(lambda: postgres.has_marker("deleted"))
    assert "database system was shut down" in postgres.space.kubectl("logs", PODS[0])


def test_commits_are_durable_and_pages_have_checksums(postgres: Postgres) -> None:
    names = ("fsync", "synchronous_commit", "full_page_writes", "data_checksums")
    assert [postgres.query(1, f"SHOW {name}") for name in names] == ["on"] * 4


def test_rows_and_password_survive_an_uninstall(postgres: Postgres) -> None:
    postgres.write_marker("kept")
    password = postgres.space.get("secret", NAME)["data"]
    postgres.space.helm("uninstall", "likewise", "--wait")
    postgres.install()
    assert postgres.space.get("secret", NAME)["data"] == password
    assert postgres.has_marker("kept")


def test_another_number_of_databases_is_refused(postgres: Postgres) -> None:
    with pytest.raises(CommandError, match=r"postgres.databases is 3, but this installation has 2 \(StatefulSets"):
        postgres.install(databases=3)
    postgres.space.helm("uninstall", "likewise", "--wait")
    with pytest.raises(CommandError, match=r"postgres.databases is 1, but this installation has 2 \(PersistentVolume"):
        postgres.install(databases=1)
