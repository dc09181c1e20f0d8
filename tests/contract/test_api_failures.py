"""Failing parts and exceeded limits: the status, Retry-After, and the name of the part."""

import pytest

from service.bootstrap.runtime import runtime_of
from service.errors import (
    CounterUnavailableError,
    LikeStoreUnavailableError,
    NotDurableError,
    NotReplicatedError,
    QueueFullError,
    UnavailableError,
)
from service.observability.metrics import LIKES
from tests.support.app_factory import LIKE_KEY, SEED_KEY, memory, problem


@pytest.mark.parametrize(
    ("error", "part", "name"),
    [
        (CounterUnavailableError(retry_after_s=3), "redis", "unavailable"),
        (LikeStoreUnavailableError(retry_after_s=3), "postgres", "unavailable"),
        (UnavailableError(retry_after_s=3), "service", "unavailable"),
        (QueueFullError(retry_after_s=3), "redis", "queue-full"),
        (NotReplicatedError(retry_after_s=3), "redis", "not-replicated"),
        (NotDurableError(retry_after_s=3), "postgres", "not-durable"),
    ],
)
def test_the_problem_names_the_failing_part(error, part, name):
    world = memory()
    world.counter.error = error
    answer = world.app.test_client().put("/v1/posts/a/like")
    said = problem(answer)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")
    assert (said["part"], said["type"].rpartition(":")[2]) == (part, name)
    assert said["detail"] == str(error)
    assert world.snapshot() == ({}, {})


def test_a_retry_after_an_error_counts_for_the_same_visitor():
    world = memory()
    client = world.app.test_client()
    world.counter.error = NotDurableError()
    token = client.put("/v1/posts/a/like").headers["Likewise-Visitor"]
    world.counter.error = None
    assert client.put("/v1/posts/a/like").status_code == 201
    assert world.counter.likers["a"] == {token.split(".")[1]}


def test_a_first_count_needs_postgres():
    world = memory()
    world.like_store.error = LikeStoreUnavailableError()
    headers = {"Authorization": f"Bearer {SEED_KEY}"}
    answer = world.app.test_client().get("/api/likes?slug=a&likes=5", headers=headers)
    assert (answer.status_code, problem(answer)["part"]) == (503, "postgres")
    assert world.app.test_client().get("/api/likes?slug=a&likes=5").status_code == 200


def test_a_first_count_needs_a_seed_key():
    for headers, status in (({}, 200), ({"Authorization": "Bearer "}, 200), ({"Authorization": "Bearer None"}, 401)):
        world = memory(api_keys=[])
        assert world.app.test_client().get("/api/likes?slug=a&likes=5", headers=headers).status_code == status
        assert world.snapshot() == ({}, {})


def test_readiness_names_the_failing_parts():
    world = memory()
    world.like_store.failing = ["The database of shards 0-127 does not answer."]
    world.check_stores()
    degraded = world.app.test_client().get("/readyz")
    assert (degraded.status_code, degraded.json["status"]) == (200, "degraded")
    assert degraded.json["failing"] == ["postgres"]
    world.counter.failing = ["Node 7100 does not answer."]
    world.check_stores()
    degraded = world.app.test_client().get("/readyz")
    assert (degraded.status_code, degraded.json["failing"]) == (200, ["redis", "postgres"])
    world.counter.answer_age_s = 5.1
    answer = world.app.test_client().get("/readyz")
    said = problem(answer)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert (said["state"], said["part"], said["failing"]) == ("unavailable", "redis", ["redis", "postgres"])
    assert said["detail"] == "Node 7100 does not answer."


def test_a_stopping_pod_is_not_ready_but_still_answers():
    world = memory()
    client = world.app.test_client()
    assert client.get("/readyz").status_code == 200
    runtime_of(world.app).stop()
    answer = client.get("/readyz")
    assert (answer.status_code, problem(answer)["state"], problem(answer)["part"]) == (503, "stopping", "pod")
    assert client.put("/v1/posts/a/like").status_code == 201
    assert client.get("/livez").status_code == 200


def test_an_approximate_count_is_marked():
    world = memory()
    world.counter.approximate = True
    assert world.app.test_client().get("/v1/posts/a/count").json["approximate"] is True


def test_new_visitors_of_a_network_are_limited():
    world = memory(new_visitor_limit="2/minute")

    def like(address, **headers):
        sent = {"X-Forwarded-For": address, **headers}
        return world.app.test_client().put("/v1/posts/a/like", headers=sent)

    first, second, third = like("2001:db8::1"), like("2001:db8::2"), like("2001:db8:0:0:ffff::3")
    assert [answer.status_code for answer in (first, second, third)] == [201, 201, 429]
    assert first.headers["RateLimit-Policy"] == '"new-visitors";q=2;w=60'
    assert first.headers["RateLimit"].startswith('"new-visitors";r=1;t=')
    assert 1 <= int(third.headers["Retry-After"]) <= 60
    assert third.headers["RateLimit"].startswith('"new-visitors";r=0;t=')
    assert problem(third)["type"].endswith("limited")
    assert len(world.counter.likers["a"]) == 2
    assert like("2001:db8:0:1::1").status_code == 201
    known = {"Likewise-Visitor": first.headers["Likewise-Visitor"]}
    assert like("2001:db8::9", **known).status_code == 200


def test_an_actors_likes_are_limited_but_unlikes_are_not():
    world = memory(actor_limit="3/minute")
    client = world.app.test_client()
    answers = [client.put(f"/v1/posts/{post}/like") for post in "abcde"]
    # The first like was a new visitor's.
    assert [answer.status_code for answer in answers] == [201, 201, 201, 201, 429]
    refused = answers[-1]
    assert refused.headers["RateLimit-Policy"] == '"likes-of-an-actor";q=3;w=60'
    assert refused.headers["RateLimit"].startswith('"likes-of-an-actor";r=0;t=')
    assert 1 <= int(refused.headers["Retry-After"]) <= 61
    assert "likes-of-an-actor" in problem(refused)["detail"]
    assert client.post("/api/like/e").status_code == 429
    assert client.post("/api/likes", json={"slug": "e", "action": "like"}).status_code == 429
    assert "e" not in world.snapshot()[0]
    taken = [client.delete(f"/v1/posts/{post}/like") for post in "abcd" * 5]
    assert {answer.status_code for answer in taken} == {200}
    assert client.post("/api/likes", json={"slug": "a", "action": "unlike"}).status_code == 200
    assert world.snapshot()[0] == {}
    assert world.app.test_client().put("/v1/posts/e/like").status_code == 201


def test_a_toggle_can_unlike_past_the_limit():
    client = memory(actor_limit="1/minute").app.test_client()
    answers = [client.post("/api/like/a") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    assert [answer.json["liked"] for answer in answers[:4]] == [True, False, True, False]


def test_all_likes_of_a_network_are_limited_together():
    world = memory(network_limit="2/minute", unlimited_networks=["10.1.0.0/16"])

    def like(address, **headers):
        return world.app.test_client().put("/v1/posts/a/like", headers={"X-Forwarded-For": address, **headers})

    assert [like("203.0.113.1").status_code for _ in range(3)] == [201, 201, 429]
    assert [like("10.1.2.3").status_code for _ in range(9)] == [201] * 9
    server = {"Authorization": f"Bearer {LIKE_KEY}"}
    users = [like("203.0.113.1", **server, **{"Likewise-Actor": str(user)}) for user in range(5)]
    assert [answer.status_code for answer in users] == [201] * 5


def test_a_forwarded_address_from_an_untrusted_peer_is_logged_once(capsys):
    world = memory(trusted_proxies=["10.0.0.0/8"])
    for _ in range(2):
        headers = {"X-Forwarded-For": "203.0.113.9"}
        world.app.test_client().put("/v1/posts/a/like", headers=headers, environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    said = capsys.readouterr().out
    assert said.count("LIKEWISE_TRUSTED_PROXIES") == 1
    # Enough to identify the proxy.
    assert all(seen in said for seen in ("192.0.0.0/16", "10.0.0.0/8"))
    assert not any(address in said for address in ("192.0.2.7", "203.0.113.9"))


def test_trusting_every_address_is_logged_at_the_start(capsys):
    memory(trusted_proxies=["0.0.0.0/0"])
    assert "trusts every address" in capsys.readouterr().out


def test_a_client_cannot_choose_its_network():
    world = memory(new_visitor_limit="1/minute")

    def like(forwarded):
        sent = {"X-Forwarded-For": forwarded}
        environ = {"REMOTE_ADDR": "198.51.100.7"}
        return world.app.test_client().put("/v1/posts/a/like", headers=sent, environ_overrides=environ)

    assert [like("203.0.113.1").status_code, like("203.0.113.2").status_code] == [201, 429]
    assert len(world.counter.likers["a"]) == 1


def test_likes_are_counted_by_what_they_changed():
    def counted(result):
        return LIKES.labels(result)._value.get()

    client = memory().app.test_client()
    names = ("liked", "already_liked", "unliked", "not_liked")
    before = [counted(name) for name in names]
    for method in ("put", "put", "delete", "delete", "delete"):
        getattr(client, method)("/v1/posts/a/like")
    assert [counted(name) - past for name, past in zip(names, before, strict=True)] == [1, 1, 1, 2]
