"""Likes without JavaScript: a form with a CSRF token, and a redirect back."""

import re

import pytest
from werkzeug.test import TestResponse

from service.errors import CounterUnavailableError
from tests.support.app_factory import SITE, FakeApi, fake_api

FORM = "/v1/posts/a/form"


@pytest.fixture
def api() -> FakeApi:
    """Make the API with the demo blog."""
    return fake_api(demo=True)


def token_in(response: TestResponse) -> str:
    """Return the token of the page's form."""
    found = re.search(r'name="csrf" value="([^"]+)"', response.text)
    assert found, response.text
    return found[1]


def test_a_form_likes_unlikes_and_redirects_back(api):
    client = api.app.test_client()
    shown = client.get(FORM)
    assert "0 likes" in shown.text
    fields = {"csrf": token_in(shown), "action": "like", "return": "/blog/b?x=1#heart"}
    sent = client.post(FORM, data=fields)
    assert (sent.status_code, sent.headers["Location"]) == (303, "/blog/b?x=1#heart")
    assert "1 like, one of them yours" in client.get(FORM).text
    sent = client.post(FORM, data={"csrf": token_in(shown), "action": "unlike"})
    assert (sent.status_code, sent.headers["Location"]) == (303, FORM)
    assert api.snapshot()[0] == {}


def test_a_form_may_redirect_to_an_allowed_origin(api):
    client = api.app.test_client()
    shown = client.get(f"{FORM}?return={SITE}/post")
    assert f'href="{SITE}/post"' in shown.text
    sent = client.post(FORM, data={"csrf": token_in(shown), "return": f"{SITE}/post"})
    assert sent.headers["Location"] == f"{SITE}/post"


@pytest.mark.parametrize(
    "back",
    [
        *("https://evil.site/", "//evil.site", "/\\evil.site", "\\\\evil.site", "javascript:alert(1)", "data:,x", "x"),
        *("https://blog.site.evil.site/", "https://blog.site@evil.site/", "/a\r\nSet-Cookie: x=y", "/a\tb", "/\xe9"),
        *("https://blog.site:443@evil.site", "http://[", " /a", "ftp://localhost/"),
    ],
)
def test_a_form_never_redirects_elsewhere(api, back):
    client = api.app.test_client()
    csrf = token_in(client.get(FORM))
    for response in (
        client.get(FORM, query_string={"return": back}),
        client.post(FORM, data={"csrf": csrf, "return": back}),
    ):
        assert (response.status_code, response.mimetype) == (400, "text/html")
        assert "return must be a path" in response.text
    assert api.snapshot()[0] == {}


@pytest.mark.parametrize("forgery", ["none", "empty", "another's", "cut", "huge", "bytes", "no cookie", "own cookie"])
def test_a_forged_form_changes_nothing(api, forgery):
    client, other = api.app.test_client(), api.app.test_client()
    csrf, others = token_in(client.get(FORM)), token_in(other.get(FORM))
    fields = {
        "none": {},
        "empty": {"csrf": ""},
        "another's": {"csrf": others},
        "cut": {"csrf": csrf[:-1]},
        "huge": {"csrf": csrf * 100},
        "bytes": {"csrf": "\ud7ff\u00ff"},
    }.get(forgery, {"csrf": csrf})
    if forgery == "no cookie":
        client = api.app.test_client(use_cookies=False)
    if forgery == "own cookie":
        client.set_cookie("likewise_form", "chosen")
    sent = client.post(FORM, data=fields)
    assert (sent.status_code, sent.mimetype) == (403, "text/html")
    assert "reload the page" in sent.text
    assert api.snapshot()[0] == {}


def test_an_allowed_origins_page_cannot_submit_the_form(api):
    client = api.app.test_client()
    fields = {"csrf": token_in(client.get(FORM)), "action": "like"}
    assert client.post(FORM, data=fields, headers={"Origin": SITE}).status_code == 403
    assert api.snapshot()[0] == {}


def test_errors_are_pages(api):
    client = api.app.test_client()
    csrf = token_in(client.get(FORM))
    assert client.post(FORM, data={"csrf": csrf, "action": "hate"}).status_code == 400
    assert client.get("/v1/posts/%3Cb%3E/form").status_code == 400
    api.counter.error = CounterUnavailableError(retry_after_s=3)
    away = client.post(FORM, data={"csrf": csrf})
    assert (away.status_code, away.headers["Retry-After"], away.mimetype) == (503, "3", "text/html")


def test_pages_can_be_neither_framed_nor_cached(api):
    for path in ("/", "/blog/bread-on-the-third-day", FORM):
        response = api.app.test_client().get(path)
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    assert api.app.test_client().get("/blog/nowhere").status_code == 404


def test_the_blog_works_without_its_counts(api):
    api.counter.error = CounterUnavailableError()
    assert api.app.test_client().get("/").status_code == 200


def test_without_the_demo_there_is_no_blog():
    assert fake_api().app.test_client().get("/").status_code == 404
