"""Tests of when the chart migrates, see docs/adr/0008-migrations-in-the-chart.md."""

import re

from tests.support.kubernetes.chart import Object, find_object, pod_spec, render

EXTERNAL = {"postgres.enabled": False, "postgres.external.existingSecret": "shards"}
PRE_UPGRADE, POST_UPGRADE = "likewise-migration-before", "likewise-migration-after"


def hooks(job: Object) -> set[str]:
    return set(job["metadata"].get("annotations", {}).get("helm.sh/hook", "").split(",")) - {""}


def plain_jobs(objects: list[Object]) -> list[Object]:
    return [one for one in objects if re.fullmatch(r"likewise-migration-[0-9a-f]{8}", one["metadata"]["name"])]


def command(job: Object) -> list[str]:
    [container] = pod_spec(job)["containers"]
    return list(container["command"])


def test_the_first_install_migrates_the_charts_postgres_in_a_plain_job() -> None:
    objects = render()
    [job] = plain_jobs(objects)
    assert not hooks(job)
    assert command(job) == ["likewise", "migrate", "--phase", "all"]
    [init] = pod_spec(job)["initContainers"]
    assert init["command"][-1] == "likewise-postgres-0"
    assert hooks(find_object(objects, "Job", PRE_UPGRADE)) == {"pre-upgrade", "pre-rollback"}


def test_an_external_database_is_migrated_before_the_install() -> None:
    objects = render(**EXTERNAL)
    assert not plain_jobs(objects)
    job = find_object(objects, "Job", PRE_UPGRADE)
    assert hooks(job) == {"pre-install", "pre-upgrade", "pre-rollback"}
    assert command(job)[-1] == "all"
    # The release's account does not exist yet.
    assert "serviceAccountName" not in pod_spec(job)


def test_an_upgrade_runs_pre_before_and_post_after() -> None:
    objects = render("--is-upgrade")
    assert not plain_jobs(objects)
    pre_upgrade, post_upgrade = find_object(objects, "Job", PRE_UPGRADE), find_object(objects, "Job", POST_UPGRADE)
    assert command(pre_upgrade) == ["likewise", "migrate", "--phase", "pre"]
    assert hooks(post_upgrade) == {"post-upgrade"}
    assert command(post_upgrade)[:2] == ["python", "-c"]
    for job in (pre_upgrade, post_upgrade):
        assert job["metadata"]["annotations"]["helm.sh/hook-output-log-policy"] == "hook-failed"
        assert job["spec"]["backoffLimit"] == 0


def test_what_a_rollback_needs_is_kept_on_request() -> None:
    names = {one["metadata"]["name"] for one in render("--is-upgrade", **{"migration.post": False})}
    assert PRE_UPGRADE in names
    assert POST_UPGRADE not in names


def test_hooks_do_not_use_the_config_map() -> None:
    objects = render("--is-upgrade", **{"settings.shards": 256})
    pre_upgrade, post_upgrade = find_object(objects, "Job", PRE_UPGRADE), find_object(objects, "Job", POST_UPGRADE)
    for job in (pre_upgrade, post_upgrade):
        [container] = pod_spec(job)["containers"]
        assert "envFrom" not in container
        assert {"name": "LIKEWISE_SHARDS", "value": "256"} in container["env"]


def test_the_name_of_the_first_migration_depends_on_its_spec() -> None:
    def name(**values: object) -> str:
        [job] = plain_jobs(render(**values))
        return str(job["metadata"]["name"])

    assert name() == name(**{"hpa.maxReplicas": 12})
    assert name() != name(**{"image.tag": "other"})
