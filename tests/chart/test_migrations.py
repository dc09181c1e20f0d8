"""When the chart migrates: docs/adr/0008-migrations-in-the-chart.md."""

import re

from tests.support.chart import Object, named, pod, render

OUTSIDE = {"postgres.enabled": False, "postgres.external.existingSecret": "shards"}
BEFORE, AFTER = "likewise-migration-before", "likewise-migration-after"


def hooks(job: Object) -> set[str]:
    return set(job["metadata"].get("annotations", {}).get("helm.sh/hook", "").split(",")) - {""}


def plain_jobs(objects: list[Object]) -> list[Object]:
    return [one for one in objects if re.fullmatch(r"likewise-migration-[0-9a-f]{8}", one["metadata"]["name"])]


def command(job: Object) -> list[str]:
    [container] = pod(job)["containers"]
    return list(container["command"])


def test_the_first_install_with_its_own_postgres_migrates_beside_the_pods_that_wait_for_it() -> None:
    objects = render()
    [job] = plain_jobs(objects)
    assert not hooks(job)
    assert command(job) == ["likewise", "migrate", "--phase", "all"]
    [waits] = pod(job)["initContainers"]
    assert waits["command"][-1] == "likewise-postgres-0"
    assert hooks(named(objects, "Job", BEFORE)) == {"pre-upgrade", "pre-rollback"}


def test_a_database_outside_is_prepared_before_anything_is_installed() -> None:
    objects = render(**OUTSIDE)
    assert not plain_jobs(objects)
    job = named(objects, "Job", BEFORE)
    assert hooks(job) == {"pre-install", "pre-upgrade", "pre-rollback"}
    assert command(job)[-1] == "all"
    assert "serviceAccountName" not in pod(job)  # it is not there yet


def test_an_upgrade_adds_before_and_takes_away_after() -> None:
    objects = render("--is-upgrade")
    assert not plain_jobs(objects)
    before, after = named(objects, "Job", BEFORE), named(objects, "Job", AFTER)
    assert command(before) == ["likewise", "migrate", "--phase", "pre"]
    assert hooks(after) == {"post-upgrade"}
    assert command(after)[:2] == ["python", "-c"]
    for job in (before, after):
        assert job["metadata"]["annotations"]["helm.sh/hook-output-log-policy"] == "hook-failed"
        assert job["spec"]["backoffLimit"] == 0


def test_a_hook_needs_nothing_that_is_not_there_yet() -> None:
    objects = render("--is-upgrade", **{"settings.shards": 256})
    before, after = named(objects, "Job", BEFORE), named(objects, "Job", AFTER)
    for job in (before, after):
        [container] = pod(job)["containers"]
        assert "envFrom" not in container
        assert {"name": "LIKEWISE_SHARDS", "value": "256"} in container["env"]


def test_the_first_migrations_name_changes_with_what_it_runs() -> None:
    def name(**values: object) -> str:
        [job] = plain_jobs(render(**values))
        return str(job["metadata"]["name"])

    assert name() == name(**{"hpa.maxReplicas": 12})
    assert name() != name(**{"image.tag": "other"})
