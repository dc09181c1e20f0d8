"""gunicorn may not decide what the event loop does not ask it for: else one visitor would get two cookies."""

from contextlib import closing

from tests.support.graceful_shutdown import connect, pod

# gunicorn reads a request with this header.
FOR_GUNICORN = {"TE": "trailers"}
SCHEMES = [
    {},
    {"X-Forwarded-Proto": "https"},
    {"X-Forwarded-Ssl": "on"},
    {"X-Forwarded-Protocol": "ssl"},
    {"X-Forwarded-Proto": "http", "X-Forwarded-Ssl": "on"},
]


def cookie_of(port: int, headers: dict[str, str]) -> tuple[int, str]:
    """Like as a new visitor. Return the status, and the name of the cookie."""
    with closing(connect(port)) as connection:
        connection.request("PUT", "/v1/posts/a/like", headers=headers)
        response = connection.getresponse()
        response.read()
        return response.status, response.headers.get("Set-Cookie", "").partition("=")[0]


def test_both_ways_agree_on_whether_a_client_uses_tls(tmp_path):
    with pod(tmp_path / "gate") as (_, port):
        answers = [(cookie_of(port, sent), cookie_of(port, sent | FOR_GUNICORN)) for sent in SCHEMES]
    plain, tls = (201, "likewise_visitor"), (201, "__Host-likewise_visitor")
    assert answers == [(plain, plain), (tls, tls), (plain, plain), (plain, plain), (plain, plain)]
