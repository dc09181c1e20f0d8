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
from tests.support.app_factory import LIKE_KEY, SEED_KEY, fake_api, problem


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
    api = fake_api()
    api.counter.error = error
    response = api.app.test_client().put("/v1/posts/a/like")
    details = problem(response)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "3")
    assert (details["part"], details["type"].rpartition(":")[2]) == (part, name)
    assert details["detail"] == str(error)
    assert api.snapshot() == ({}, {})


def test_a_retry_after_an_error_counts_for_the_same_visitor():
    api = fake_api()
    client = api.app.test_client()
    api.counter.error = NotDurableError()
    token = client.put("/v1/posts/a/like").headers["Likewise-Visitor"]
    api.counter.error = None
    assert client.put("/v1/posts/a/like").status_code == 201
    assert api.counter.likers["a"] == {token.split(".")[1]}


def test_a_first_count_needs_postgres():
    api = fake_api()
    api.like_store.error = LikeStoreUnavailableError()
    headers = {"Authorization": f"Bearer {SEED_KEY}"}
    response = api.app.test_client().get("/api/likes?slug=a&likes=5", headers=headers)
    assert (response.status_code, problem(response)["part"]) == (503, "postgres")
    assert api.app.test_client().get("/api/likes?slug=a&likes=5").status_code == 200


def test_a_first_count_needs_a_seed_key():
    for headers, status in (({}, 200), ({"Authorization": "Bearer "}, 200), ({"Authorization": "Bearer None"}, 401)):
        api = fake_api(api_keys=[])
        assert api.app.test_client().get("/api/likes?slug=a&likes=5", headers=headers).status_code == status
        assert api.snapshot() == ({}, {})


def test_readiness_names_the_failing_parts():
    api = fake_api()
    api.like_store.failing = ["The database of shards 0-127 does not answer."]
    api.check_stores()
    degraded = api.app.test_client().get("/readyz")
    assert (degraded.status_code, degraded.json["status"]) == (200, "degraded")
    assert degraded.json["failing"] == ["postgres"]
    api.counter.failing = ["Node 7100 does not answer."]
    api.check_stores()
    degraded = api.app.test_client().get("/readyz")
    assert (degraded.status_code, degraded.json["failing"]) == (200, ["redis", "postgres"])
    api.counter.answer_age_s = 5.1
    response = api.app.test_client().get("/readyz")
    details = problem(response)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert (details["state"], details["part"], details["failing"]) == ("unavailable", "redis", ["redis", "postgres"])
    assert details["detail"] == "Node 7100 does not answer."


def test_a_stopping_pod_is_not_ready_but_still_answers():
    api = fake_api()
    client = api.app.test_client()
    assert client.get("/readyz").status_code == 200
    runtime_of(api.app).stop()
    response = client.get("/readyz")
    assert (response.status_code, problem(response)["state"], problem(response)["part"]) == (503, "stopping", "pod")
    assert client.put("/v1/posts/a/like").status_code == 201
    assert client.get("/livez").status_code == 200


def test_an_approximate_count_is_marked():
    api = fake_api()
    api.counter.approximate = True
    assert api.app.test_client().get("/v1/posts/a/count").json["approximate"] is True


def test_new_visitors_of_a_network_are_limited():
    api = fake_api(new_visitor_limit="2/minute")

    def like(address, **headers):
        sent = {"X-Forwarded-For": address, **headers}
        return api.app.test_client().put("/v1/posts/a/like", headers=sent)

    first, second, third = like("2001:db8::1"), like("2001:db8::2"), like("2001:db8:0:0:ffff::3")
    assert [response.status_code for response in (first, second, third)] == [201, 201, 429]
    assert first.headers["RateLimit-Policy"] == '"new-visitors";q=2;w=60'
    assert first.headers["RateLimit"].startswith('"new-visitors";r=1;t=')
    assert 1 <= int(third.headers["Retry-After"]) <= 60
    assert third.headers["RateLimit"].startswith('"new-visitors";r=0;t=')
    assert problem(third)["type"].endswith("limited")
    assert len(api.counter.likers["a"]) == 2
    assert like("2001:db8:0:1::1").status_code == 201
    known = {"Likewise-Visitor": first.headers["Likewise-Visitor"]}
    assert like("2001:db8::9", **known).status_code == 200


def test_an_actors_likes_are_limited_but_unlikes_are_not():
    api = fake_api(actor_limit="3/minute")
    client = api.app.test_client()
    responses = [client.put(f"/v1/posts/{post}/like") for post in "abcde"]
    # The first like was a new visitor's.
    assert [response.status_code for response in responses] == [201, 201, 201, 201, 429]
    refused = responses[-1]
    assert refused.headers["RateLimit-Policy"] == '"likes-of-an-actor";q=3;w=60'
    assert refused.headers["RateLimit"].startswith('"likes-of-an-actor";r=0;t=')
    assert 1 <= int(refused.headers["Retry-After"]) <= 61
    assert "likes-of-an-actor" in problem(refused)["detail"]
    assert client.post("/api/like/e").status_code == 429
    assert client.post("/api/likes", json={"slug": "e", "action": "like"}).status_code == 429
    assert "e" not in api.snapshot()[0]
    taken = [client.delete(f"/v1/posts/{post}/like") for post in "abcd" * 5]
    assert {response.status_code for response in taken} == {200}
    assert client.post("/api/likes", json={"slug": "a", "action": "unlike"}).status_code == 200
    assert api.snapshot()[0] == {}
    assert api.app.test_client().put("/v1/posts/e/like").status_code == 201


def test_a_toggle_can_unlike_past_the_limit():
    client = fake_api(actor_limit="1/minute").app.test_client()
    responses = [client.post("/api/like/a") for _ in range(5)]
    assert [response.status_code for response in responses] == [200, 200, 200, 200, 429]
    assert [response.json["liked"] for response in responses[:4]] == [True, False, True, False]


def test_all_likes_of_a_network_are_limited_together():
    api = fake_api(network_limit="2/minute", unlimited_networks=["10.1.0.0/16"])

    def like(address, **headers):
        return api.app.test_client().put("/v1/posts/a/like", headers={"X-Forwarded-For": address, **headers})

    assert [like("203.0.113.1").status_code for _ in range(3)] == [201, 201, 429]
    assert [like("10.1.2.3").status_code for _ in range(9)] == [201] * 9
    server = {"Authorization": f"Bearer {LIKE_KEY}"}
    users = [like("203.0.113.1", **server, **{"Likewise-Actor": str(user)}) for user in range(5)]
    assert [response.status_code for response in users] == [201] * 5


def test_a_forwarded_address_from_an_untrusted_peer_is_logged_once(capsys):
    api = fake_api(trusted_proxies=["10.0.0.0/8"])
    for _ in range(2):
        headers = {"X-Forwarded-For": "203.0.113.9"}
        api.app.test_client().put("/v1/posts/a/like", headers=headers, environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    log = capsys.readouterr().out
    assert log.count("LIKEWISE_TRUSTED_PROXIES") == 1
    # Enough to identify the proxy.
    assert all(seen in log for seen in ("192.0.0.0/16", "10.0.0.0/8"))
    assert not any(address in log for address in ("192.0.2.7", "203.0.113.9"))


def test_trusting_every_address_is_logged_at_the_start(capsys):
    fake_api(trusted_proxies=["0.0.0.0/0"])
    assert "trusts every address" in capsys.readouterr().out


def test_a_client_cannot_choose_its_network():
    api = fake_api(new_visitor_limit="1/minute")

    def like(forwarded):
        sent = {"X-Forwarded-For": forwarded}
        environ = {"REMOTE_ADDR": "198.51.100.7"}
        return api.app.test_client().put("/v1/posts/a/like", headers=sent, environ_overrides=environ)

    assert [like("203.0.113.1").status_code, like("203.0.113.2").status_code] == [201, 429]
    assert len(api.counter.likers["a"]) == 1


def test_likes_are_counted_by_what_they_changed():
    def counted(result):
        return LIKES.labels(result)._value.get()

    client = fake_api().app.test_client()
    names = ("liked", "already_liked", "unliked", "not_liked")
    before = [counted(name) for name in names]
    for method in ("put", "put", "delete", "delete", "delete"):
        getattr(client, method)("/v1/posts/a/like")
    assert [counted(name) - past for name, past in zip(names, before, strict=True)] == [1, 1, 1, 2]
