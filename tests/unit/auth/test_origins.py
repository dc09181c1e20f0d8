"""Allowed origins: those that are listed, and no similar ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.auth.origins import OWN_ORIGIN, AllowedOrigins
from service.errors import ConfigurationError, ForeignSiteError

SITES = AllowedOrigins(["https://blog.site", "http://blog.site:8080", "http://localhost:*", "https://bücher.site"])
LOOK_ALIKES = [
    "http://blog.site",
    "https://blog.site:444",
    "https://blog.site.",
    "https://blog.site.evil.site",
    "https://evilblog.site",
    "https://www.blog.site",
    "https://blog-site",
    "https://BLOG.site",
    "https://blog.site/",
    "https://blog.site@evil.site",
    "https://blog.site\x00",
    "https://blog.site https://evil.site",
    "https://bl\u043eg.site",
    "//blog.site",
    "blog.site",
    "null",
    "",
    "*",
    "http://localhost:3000.evil.site",
    "http://localhost.evil.site:3000",
    "http://localhost:3000:80",
    "http://localhost:\u0663",
    "http://localhost:",
    "https://localhost:3000",
]


@pytest.mark.parametrize(
    "origin",
    [
        "https://blog.site",
        "http://blog.site:8080",
        "http://localhost:3000",
        "http://localhost",
        "https://xn--bcher-kva.site",
    ],
)
def test_listed_origins_are_allowed(origin):
    assert SITES.is_allowed(origin)


@pytest.mark.parametrize("origin", LOOK_ALIKES)
def test_similar_origins_are_not_allowed(origin):
    assert not SITES.is_allowed(origin)
    with pytest.raises(ForeignSiteError, match="origin"):
        SITES.request_origin({"REQUEST_METHOD": "PUT", "HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_ORIGIN": origin})


@given(st.text())
def test_no_other_text_is_allowed(origin):
    assert not AllowedOrigins(["https://blog.site"]).is_allowed(origin) or origin == "https://blog.site"


@pytest.mark.parametrize("site", ["https://blog.site:443", "https://blog.site", "https://BLOG.site"])
def test_a_setting_may_have_usual_spellings(site):
    assert AllowedOrigins([site]).is_allowed("https://blog.site")


@pytest.mark.parametrize(
    "site",
    [
        *("blog.site", "*", "null", "https://", "https://*.blog.site", "https://blog.site/", "https://blog.site/a"),
        *(
            "https://blog.site:*",
            "ftp://blog.site",
            "https://me@blog.site",
            "https://blog.site?a",
            "https://blog.site:x",
        ),
        *("https://blog.site:99999", "https://[::1", "http://localhost.evil.site:*", "https://" + "a" * 70 + ".site"),
    ],
)
def test_the_error_names_an_invalid_origin(site):
    with pytest.raises(ConfigurationError, match="LIKEWISE_SITES"):
        AllowedOrigins([site])


@pytest.mark.parametrize(
    ("headers", "site"),
    [
        ({}, OWN_ORIGIN),
        ({"HTTP_SEC_FETCH_SITE": "same-origin", "HTTP_ORIGIN": "https://likes.site"}, OWN_ORIGIN),
        ({"HTTP_SEC_FETCH_SITE": "none"}, OWN_ORIGIN),
        ({"HTTP_ORIGIN": "https://likes.site", "HTTP_HOST": "likes.site"}, OWN_ORIGIN),
        ({"HTTP_ORIGIN": "https://blog.site", "HTTP_HOST": "likes.site"}, "https://blog.site"),
        ({"HTTP_SEC_FETCH_SITE": "same-site", "HTTP_ORIGIN": "https://blog.site"}, "https://blog.site"),
    ],
)
def test_the_origin_of_a_request(headers, site):
    assert SITES.request_origin({"REQUEST_METHOD": "PUT", **headers}) == site


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_SEC_FETCH_SITE": "cross-site"},
        {"HTTP_SEC_FETCH_SITE": "same-site"},
        {"HTTP_SEC_FETCH_SITE": "SAME-ORIGIN", "HTTP_ORIGIN": "https://likes.site", "HTTP_HOST": "likes.site"},
        {"HTTP_SEC_FETCH_SITE": "", "HTTP_ORIGIN": "https://evil.site"},
        {"HTTP_SEC_FETCH_SITE": "same-site", "HTTP_ORIGIN": "https://evil.likes.site", "HTTP_HOST": "likes.site"},
        {"HTTP_ORIGIN": "https://likes.site.evil.site", "HTTP_HOST": "likes.site"},
        {"HTTP_ORIGIN": "https://likes.site:8443", "HTTP_HOST": "likes.site"},
        {"HTTP_ORIGIN": "null", "HTTP_HOST": "likes.site"},
    ],
)
@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "BREW"])
def test_an_unsafe_request_of_another_origin_is_refused(headers, method):
    with pytest.raises(ForeignSiteError):
        SITES.request_origin({"REQUEST_METHOD": method, **headers})
