"""The chart's Postgres: rows outlive pods and releases, and the number of databases stays."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster.kubectl import CommandError, Namespace, eventually, namespace
from tests.support.cluster.stores import stores_only

NAME = "likewise-postgres"
PODS = [f"{NAME}-{at}-0" for at in range(2)]


class Postgres:
    """The databases of a release."""

    def __init__(self, where: Namespace, chart: Path) -> None:
        self.where = where
        self._chart = chart

    def install(self, databases: int = 2) -> None:
        """Install or upgrade, and wait until each database answers."""
        outside = {"redis.enabled": False, "redis.external.urls[0]": "redis://none:6379"}
        self.where.install(chart=self._chart, **outside, **{"postgres.databases": databases})
        for database in range(databases):
            eventually(lambda at=database: self.query(at, "SELECT 1") == "1")

    def query(self, database: int, sql: str) -> str:
        """What the database answers through its Service, with the password of the Secret."""
        command = 'PGPASSWORD=$POSTGRES_PASSWORD psql -h "$0" -U likewise -Atc "$1"'
        return self.where.execute(PODS[database], "sh", "-c", command, f"{NAME}-{database}", sql).strip()

    def mark(self, value: str) -> None:
        """Write a row to each database."""
        for database in range(2):
            self.query(database, f"CREATE TABLE IF NOT EXISTS marks (text text); INSERT INTO marks VALUES ('{value}')")

    def marked(self, value: str) -> bool:
        """Whether each database has the row once."""
        counts = [self.query(at, f"SELECT count(*) FROM marks WHERE text = '{value}'") for at in range(2)]
        return counts == ["1", "1"]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with namespace("likewise-postgres-test") as where:
        databases = Postgres(where, stores_only(tmp_path_factory.mktemp("chart")))
        databases.install()
        yield databases


def test_rows_outlive_a_pod_that_is_deleted_while_a_client_stays(postgres: Postgres) -> None:
    postgres.mark("deleted")
    client = ["kubectl", "-n", postgres.where.name, "exec", PODS[0], "--", "psql", "-U", "likewise", "-c"]
    with subprocess.Popen([*client, "SELECT pg_sleep(300)"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as stays:
        eventually(
            lambda: postgres.query(0, "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT pg_sle'") == "1"
        )
        postgres.where.kubectl("delete", "pod", *PODS, timeout_s=60)  # a smart shutdown would wait for the client
        stays.wait(timeout=30)
    eventually(lambda: postgres.marked("deleted"))
    assert "database system was shut down" in postgres.where.kubectl("logs", PODS[0])


def test_commits_wait_for_the_disk_and_pages_have_checksums(postgres: Postgres) -> None:
    names = ("fsync", "synchronous_commit", "full_page_writes", "data_checksums")
    assert [postgres.query(1, f"SHOW {name}") for name in names] == ["on"] * 4


def test_rows_and_password_outlive_the_release(postgres: Postgres) -> None:
    postgres.mark("kept")
    password = postgres.where.get("secret", NAME)["data"]
    postgres.where.helm("uninstall", "likewise", "--wait")
    postgres.install()
    assert postgres.where.get("secret", NAME)["data"] == password
    assert postgres.marked("kept")


def test_the_number_of_databases_can_not_change(postgres: Postgres) -> None:
    with pytest.raises(CommandError, match=r"postgres.databases is 3, but this installation has 2 \(StatefulSets"):
        postgres.install(databases=3)
    postgres.where.helm("uninstall", "likewise", "--wait")
    with pytest.raises(CommandError, match=r"postgres.databases is 1, but this installation has 2 \(PersistentVolume"):
        postgres.install(databases=1)
