"""From the frozen earlier chart and image to this one, and back: every like stays."""

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
    """An installation of the earlier chart and image, with a like of each post."""
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(CHART) as archive:
        archive.extractall(folder, filter="data")
    with namespace("likewise-upgrade") as where:
        where.install(chart=folder / "likewise", **VALUES, **_image(EARLIER), **{"autoscaler.enabled": None})
        eventually(lambda: counts(where, "a-first-visitor") == {1})
        yield where


def _image(name: str) -> dict[str, str]:
    repository, _, tag = name.rpartition(":")
    return {"image.repository": repository, "image.tag": tag}


def counts(where: Namespace, visitor: str = "") -> set[int]:
    """What is said of all posts: when a visitor likes each, once however often it is asked, or as they are read."""
    script = ["python", "-c", _ASK, visitor, *POSTS]
    return set(json.loads(where.execute("deployment/likewise-api", *script)).values())


def rows(where: Namespace) -> int:
    """Likes in Postgres."""
    return int(where.sql("SELECT count(*) FROM likes WHERE liked"))


def images(where: Namespace) -> set[str]:
    """What the API's pods run."""
    return {pod["spec"]["containers"][0]["image"].rpartition("/")[2] for pod in where.pods("api")}


def test_every_like_survives_an_upgrade_and_the_way_back(earlier: Namespace) -> None:
    assert images(earlier) == {EARLIER}
    earlier.install(
        **VALUES, **_image(IMAGE), **{"autoscaler.enabled": True}, wait=False
    )  # Redis' pods go on being replaced under what follows
    eventually(lambda: images(earlier) == {IMAGE})
    eventually(lambda: earlier.get("hpa/likewise-api")["spec"].get("minReplicas") == 2)  # now the autoscaler's
    eventually(lambda: counts(earlier) == {1})
    eventually(lambda: counts(earlier, "a-second-visitor") == {2})
    assert "0002 pre installation" in _migrations(earlier)

    earlier.helm("rollback", "likewise", "1", "--timeout", "4m")
    eventually(lambda: images(earlier) == {EARLIER})
    eventually(lambda: counts(earlier) == {2})
    eventually(lambda: counts(earlier, "a-third-visitor") == {3})
    eventually(lambda: rows(earlier) == 3 * len(POSTS))


def _migrations(where: Namespace) -> str:
    query = "SELECT to_char(number, 'fm0000') || ' ' || phase || ' ' || name FROM migrations"
    return where.sql(query)
