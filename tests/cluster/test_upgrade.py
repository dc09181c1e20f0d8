"""Test an upgrade from the frozen earlier chart and image, and the rollback."""

import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster.kubectl import IMAGE, Namespace, eventually, namespace

EARLIER = os.environ.get("LIKEWISE_TEST_EARLIER_IMAGE", "likewise:earlier")
CHART = Path(__file__).parent / "earlier" / "likewise-chart-0.1.0.tgz"
POSTS = [f"post-{at}" for at in range(20)]
VALUES = {
    "redis.persistence.enabled": False,
    "postgres.persistence.enabled": False,
    "ingress.enabled": False,
    "flusher.replicas": 1,
    "api.preStopSeconds": 1,
}
_ASK = """
import http.client, json, sys
connection = http.client.HTTPConnection("likewise", 80, timeout=10)
visitor, posts = sys.argv[1], sys.argv[2:]
counts = {}
for post in posts:
    method, what = ("PUT", "like") if visitor else ("GET", "count")
    headers = {"Idempotency-Key": visitor + post} if visitor else {}
    connection.request(method, f"/v1/posts/{post}/{what}", headers=headers)
    answer = connection.getresponse()
    body = json.load(answer)
    assert answer.status in (200, 201), body
    counts[post] = body["count"]
print(json.dumps(counts))
"""


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    """Yield an installation of the earlier chart and image, with a like of each post."""
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(CHART) as archive:
        archive.extractall(folder, filter="data")
    with namespace("likewise-upgrade") as space:
        space.install(chart=folder / "likewise", **VALUES, **_image(EARLIER), **{"autoscaler.enabled": None})
        eventually(lambda: counts(space, "a-first-visitor") == {1})
        yield space


def _image(name: str) -> dict[str, str]:
    repository, _, tag = name.rpartition(":")
    return {"image.repository": repository, "image.tag": tag}


def counts(space: Namespace, visitor: str = "") -> set[int]:
    """Return the counts of all posts as a set. Like each post first, if a visitor is given. That is idempotent."""
    script = ["python", "-c", _ASK, visitor, *POSTS]
    return set(json.loads(space.execute("deployment/likewise-api", *script)).values())


def stored_likes(space: Namespace) -> int:
    """Return the number of likes in Postgres."""
    return int(space.sql("SELECT count(*) FROM likes WHERE liked"))


def images_of_api(space: Namespace) -> set[str]:
    """Return the images of the API pods."""
    return {pod["spec"]["containers"][0]["image"].rpartition("/")[2] for pod in space.pods("api")}


def test_every_like_survives_an_upgrade_and_a_rollback(earlier: Namespace) -> None:
    assert images_of_api(earlier) == {EARLIER}
    # Do not wait: the Redis pods are still being replaced during the next steps.
    new = VALUES | _image(IMAGE) | {"autoscaler.enabled": True}
    earlier.install(**new, **{"migration.post": False}, wait=False)
    eventually(lambda: images_of_api(earlier) == {IMAGE})
    # The autoscaler sets it now.
    eventually(lambda: earlier.get("hpa/likewise-api")["spec"].get("minReplicas") == 2)
    eventually(lambda: counts(earlier) == {1})
    eventually(lambda: counts(earlier, "a-second-visitor") == {2})
    assert "0002 pre installation" in _migrations(earlier)

    earlier.helm("rollback", "likewise", "1", "--timeout", "4m")
    eventually(lambda: images_of_api(earlier) == {EARLIER})
    eventually(lambda: counts(earlier) == {2})
    eventually(lambda: counts(earlier, "a-third-visitor") == {3})
    eventually(lambda: stored_likes(earlier) == 3 * len(POSTS))

    # For good: the table of the earlier release is dropped once its last pod has ended.
    earlier.install(**new, wait=False)
    eventually(lambda: "0007 post drop_likes" in _migrations(earlier))
    eventually(lambda: counts(earlier, "a-fourth-visitor") == {4})


def _migrations(space: Namespace) -> str:
    query = "SELECT to_char(number, 'fm0000') || ' ' || phase || ' ' || name FROM migrations"
    return space.sql(query)
