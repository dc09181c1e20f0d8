"""Log lines about requests. They identify the request and the failure, never the user."""

import io
import json
import logging
import re
import time

import pytest
import structlog

from service.api.http.request_log import PER_SECOND, SlowRequestLog
from service.errors import CounterUnavailableError
from service.observability.logging import configure_logs, request_id
from tests.support.app_factory import LIKE_KEY, fake_api

CLIENT = "203.0.113.77"
GIVEN = "4bf92f3577b34da6a3ce929d0e0e4736"
PATH = "/v1/posts/a/like"


@pytest.fixture
def logged():
    """Yield a function that returns the lines logged so far, as objects."""
    stream = io.StringIO()
    configured = structlog.get_config()
    loggers = {name: logging.getLogger(name) for name in (None, "gunicorn.error", "gunicorn.access")}
    before = {name: (logger.handlers[:], logger.level, logger.propagate) for name, logger in loggers.items()}
    configure_logs(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.configure(**configured)
    for name, logger in loggers.items():
        logger.handlers[:], logger.level, logger.propagate = before[name]


def failing(**settings):
    """Return a client of an app whose counter is unavailable."""
    api = fake_api(**settings)
    api.counter.error = CounterUnavailableError("Redis redis-3:6379: Connection refused")
    return api.app.test_client()


# PUT takes the fast path, GET does not.
@pytest.mark.parametrize("method", ["put", "get"])
def test_a_failed_request_has_one_line_with_the_id_that_nginx_gave_it(logged, method):
    answer = getattr(failing(), method)(PATH, headers={"X-Request-ID": GIVEN, "Likewise-Visitor": visitor()})
    assert answer.status_code == 503
    [line] = logged()
    assert line.pop("seconds") < 5
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request failed",
        "level": "warning",
        "method": method.upper(),
        "path": PATH,
        "status": 503,
        "reason": "Redis redis-3:6379: Connection refused",
        "request_id": GIVEN,
    }


def visitor() -> str:
    """Return a visitor's token from the response to a like."""
    # On a busy machine the first like may be slow, and would have its own line.
    client = fake_api(slow_request_ms=60_000).app.test_client()
    return client.put(PATH).headers["Likewise-Visitor"]


@pytest.mark.parametrize(
    "sent", ["short", "a" * 65, 'quoted"-id', "two\nlines-of-it", "späte-anfrage", "", "../../etc"]
)
def test_an_invalid_id_is_replaced(sent):
    environ = {"HTTP_X_REQUEST_ID": sent, "REMOTE_ADDR": "127.0.0.1"}
    made = request_id(environ, lambda peer: True)
    assert re.fullmatch("[0-9a-f]{32}", made)
    # Each line of a request has the same id.
    assert request_id(environ, lambda peer: True) == made


def test_only_trusted_proxies_set_the_id(logged):
    client = failing(trusted_proxies=["10.0.0.0/8"])
    for peer in ("10.1.2.3", CLIENT):
        client.put(PATH, headers={"X-Request-ID": GIVEN}, environ_overrides={"REMOTE_ADDR": peer})
    first, second = (line["request_id"] for line in logged())
    assert first == GIVEN
    assert second != GIVEN


def test_no_token_and_no_address_is_logged(logged):
    token = visitor()
    client = failing(trusted_proxies=["10.0.0.0/8"], slow_request_ms=1)
    secrets = [token, token.split(".")[1], LIKE_KEY, "a-password", CLIENT, "198.51.100.9"]
    for headers in ({"Likewise-Visitor": token}, {"Authorization": f"Bearer {LIKE_KEY}", "Likewise-Actor": "user-1"}):
        headers = {**headers, "X-Forwarded-For": "198.51.100.9", "Cookie": "session=a-password"}
        for path in (PATH, "/v1/likes?post=a&key=a-password"):
            client.get(path, headers=headers, environ_overrides={"REMOTE_ADDR": CLIENT})
            client.put(path, headers=headers, environ_overrides={"REMOTE_ADDR": CLIENT})
    logging.getLogger("gunicorn.error").warning(
        f"Invalid request from ip={CLIENT}: Invalid Header: 'Cookie: a-password'"
    )
    lines = logged()
    assert len(lines) >= 4
    for secret in secrets:
        assert not [line for line in lines if secret in json.dumps(line)]
    warned = next(line for line in lines if "X-Forwarded-For" in line["event"])
    # The network is enough to find a proxy that is missing in the setting.
    assert warned["senders_network"] == "203.0.0.0/16"


def test_normal_requests_are_not_logged(logged):
    client = fake_api(slow_request_ms=60_000).app.test_client()
    assert client.put(PATH).status_code == 201
    assert client.get("/nowhere").status_code == 404
    assert logged() == []


@pytest.mark.parametrize("body", [b"", b"{}"], ids=["hot", "flask"])
def test_a_slow_like_has_a_line_on_both_paths(logged, body, monkeypatch):
    api = fake_api(slow_request_ms=1)
    submit = api.counter.submit

    def delay(*args):
        end = time.perf_counter() + 0.002
        while time.perf_counter() < end:
            pass
        return submit(*args)

    monkeypatch.setattr(api.counter, "submit", delay)
    client = api.app.test_client()
    assert client.put(PATH, data=body).status_code == 201
    [line] = logged()
    assert (line["event"], line["status"]) == ("request slow", 201)
    assert line["seconds"] >= 0.002


def test_request_lines_can_be_switched_off(logged):
    assert failing(slow_request_ms=0).put(PATH).status_code == 503
    assert logged() == []


def test_a_flood_of_failures_is_logged_in_few_lines(logged):
    slow_requests = SlowRequestLog(1)
    environ = {"REQUEST_METHOD": "PUT", "PATH_INFO": PATH}
    for _ in range(5 * PER_SECOND):
        slow_requests.write(environ, 503, 0.1)
    # The requests fall into one second, or into two.
    assert len(logged()) <= 2 * PER_SECOND


def test_libraries_with_standard_logging_write_json(logged):
    logging.getLogger("psycopg.pool").error("error connecting in %r: %s", "pool-1", "refused")
    [line] = logged()
    assert (line["event"], line["logger"]) == ("error connecting in 'pool-1': refused", "psycopg.pool")
