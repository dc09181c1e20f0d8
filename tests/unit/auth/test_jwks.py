"""An issuer's published keys are read from real servers that change, fail, hang, redirect or send invalid documents."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service.auth.https_document import MAX_BYTES
from service.auth.jwks import Jwks, pause_s
from service.auth.jwt_keys import MAX_PUBLISHED
from tests.support.auth.jwt_issuer import EC, ED, OTHER_RSA, RSA, Publisher, jwk, jwks, publishing
from tests.support.waiting import wait_for

ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
ROOT = Path(__file__).parents[3]


@contextmanager
def reading(url: str, refresh_s: float = 3_600) -> Iterator[Jwks]:
    keys = Jwks(url, refresh_s, ALGORITHMS)
    try:
        yield keys
    finally:
        keys.close()
        assert not keys._task.is_running


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.auth.jwks.FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("service.auth.jwks.LONGEST_PAUSE_S", 0.02)


def found(keys: Jwks, kid: str | None = "a", alg: str = "RS256") -> bool:
    return bool(keys.find(kid, alg))


def test_keys_are_read_on_first_use_and_not_before():
    with publishing(jwk(RSA, "a"), jwk(EC, "b"), jwk(ED, "c")) as server, reading(server.url) as keys:
        before = threading.active_count()
        assert (keys.ready, keys._task.is_running) == (False, False)
        # Usually too early.
        found(keys)
        assert threading.active_count() > before
        wait_for(lambda: keys.ready)
        assert keys.find("a", "RS256") == [RSA.public_key()]
        assert (keys.find("b", "ES256"), keys.find("c", "EdDSA")) == ([EC.public_key()], [ED.public_key()])
        assert [keys.find("a", alg) for alg in ("ES256", "EdDSA", "HS256", "none")] == [[]] * 4
        assert keys.find(None, "ES256") == [EC.public_key()]


def test_start_creates_one_thread_and_none_after_close():
    with publishing(jwk(RSA, "a")) as server, reading(server.url) as keys:
        keys.start()
        thread = keys._task._thread
        keys.start()
        assert keys._task._thread is thread
        wait_for(lambda: keys.ready)
        keys.close()
        keys.start()
        assert not thread.is_alive()
        assert keys.find("a", "RS256") == [RSA.public_key()]
    assert len(server.paths) == 1


def test_a_changed_document_is_used_after_the_next_read():
    with publishing(jwk(RSA, "a")) as server, reading(server.url, refresh_s=0.02) as keys:
        wait_for(lambda: found(keys))
        server.body = jwks(jwk(OTHER_RSA, "b"), jwk(RSA, "a"))
        wait_for(lambda: found(keys, "b"))
        assert found(keys, "a")
        server.body = jwks(jwk(OTHER_RSA, "b"))
        wait_for(lambda: not found(keys, "a"))


def test_an_unknown_key_triggers_an_early_read():
    with publishing(jwk(RSA, "a")) as server, reading(server.url) as keys:
        wait_for(lambda: found(keys) and keys._has_tried)
        server.body = jwks(jwk(OTHER_RSA, "b"))
        assert not found(keys, "b")
        wait_for(lambda: found(keys, "b"))
        assert len(server.paths) == 2


def test_early_reads_are_limited(monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr("service.auth.jwks.monotonic", lambda: now[0])
    with publishing(jwk(RSA, "a")) as server, reading(server.url) as keys:
        wait_for(lambda: found(keys, None) and keys._has_tried)
        with monkeypatch.context() as patched:
            wakes = []
            patched.setattr(keys._task, "wake", lambda: wakes.append(now[0]))
            for seconds in (0, 5, 4.9, 0.2, 9.9, 0.2):
                now[0] += seconds
                assert not found(keys, "b")
                assert not found(keys, "c")
        assert wakes == [1_000.0, pytest.approx(1_010.1), pytest.approx(1_020.2)]


HUGE = b'{"keys": [], "x": "' + b"x" * MAX_BYTES + b'"}'
BAD_BODIES = [
    b"",
    b"not json",
    b"\xff\xfe\x00",
    b"[]",
    b"{}",
    b'{"keys": 5}',
    b'{"keys": []}',
    b'{"keys": [5, null, "a", [], {}]}',
    b"[" * 100_000,
    jwks({"kty": "oct", "k": "AAAA", "kid": "a"}),
    HUGE,
    HUGE * 40,
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_an_invalid_document_keeps_the_old_keys(body):
    check_outage(lambda server: setattr(server, "body", body))


@pytest.mark.parametrize("status", [204, 304, 400, 404, 500, 503])
def test_a_failing_server_keeps_the_old_keys(status):
    check_outage(lambda server: setattr(server, "status", status))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status):
    with publishing(jwk(OTHER_RSA, "b")) as elsewhere:

        def redirect(server: Publisher) -> None:
            server.location, server.status = elsewhere.url, status

        check_outage(redirect)
        assert elsewhere.paths == []


def test_a_hanging_server_keeps_the_old_keys(monkeypatch):
    def hang(server: Publisher) -> None:
        monkeypatch.setattr("service.auth.https_document.TIMEOUT_S", 0.05)
        server.hang = True

    check_outage(hang, lambda: monkeypatch.setattr("service.auth.https_document.TIMEOUT_S", 5.0))


def test_an_endless_response_is_cut_off(monkeypatch):
    def send_slowly(server: Publisher) -> None:
        # A byte arrives every 0.01 s.
        monkeypatch.setattr("service.auth.https_document.TIMEOUT_S", 0.1)
        server.drip = True

    check_outage(send_slowly, lambda: monkeypatch.setattr("service.auth.https_document.TIMEOUT_S", 5.0))


def check_outage(break_it, before_repair=lambda: None) -> None:
    with capture_logs() as logs, publishing(jwk(RSA, "a")) as server, reading(server.url, refresh_s=0.02) as keys:
        wait_for(lambda: found(keys))
        good = dict(vars(server))
        break_it(server)
        wait_for(lambda: logs)
        seen = len(server.paths)
        wait_for(lambda: len(server.paths) >= seen + 3)
        assert (keys.ready, found(keys)) == (True, True)
        assert [line["event"] for line in logs] == ["JWKS document not readable"]
        before_repair()
        server.body, server.status, server.hang, server.drip = good["body"], 200, False, False
        wait_for(lambda: len(logs) > 1)
        assert [line["event"] for line in logs[1:]] == ["JWKS document readable again"]
        assert {line["log_level"] for line in logs} == {"warning"}


def test_an_issuer_that_is_unavailable_at_first_is_read_later():
    with publishing() as server, reading(server.url) as keys:
        server.status = 503
        keys.start()
        wait_for(lambda: len(server.paths) > 2)
        assert (keys.ready, found(keys)) == (False, False)
        server.status, server.body = 200, jwks(jwk(RSA, "a"))
        wait_for(lambda: found(keys))


def test_close_ends_a_hanging_read():
    with publishing(jwk(RSA, "a")) as server:
        server.hang = True
        with reading(server.url) as keys:
            keys.start()
            wait_for(lambda: server.paths)
            began = time.monotonic()
        # The document's own timeout is 5 s.
        assert time.monotonic() - began < 4


def test_pauses_grow_to_a_minute_and_vary(monkeypatch):
    monkeypatch.undo()
    for failures, expected in enumerate([300, 1, 2, 4, 8, 16, 32, 60, 60]):
        pauses = {pause_s(failures, 300) for _ in range(50)}
        assert len(pauses) > 10
        assert all(expected * 0.9 <= pause <= expected * 1.1 for pause in pauses)
    assert pause_s(10**6, 300) <= 66


def test_a_token_without_a_kid_tries_few_keys():
    many = [jwk(RSA, str(at)) for at in range(MAX_PUBLISHED)]
    with publishing(*many) as server, reading(server.url) as keys:
        wait_for(lambda: found(keys, None))
        assert len(keys.find(None, "RS256")) == 4


def run(script: str, url: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, url],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


_FORKS = """
import os, sys, warnings
from service.auth.jwks import Jwks
from tests.support.waiting import wait_for
warnings.simplefilter("ignore")
keys = Jwks(sys.argv[1], 3600, ["RS256"])
keys.start()
wait_for(lambda: keys.ready)
child = os.fork()
if not child:
    keys._keys = ()
    wait_for(lambda: keys.find(None, "RS256"))
    keys.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
keys.close()
"""

_GEVENT = """
from gevent import monkey
monkey.patch_all()
import sys, gevent
from service.auth.jwks import Jwks
from tests.support.waiting import wait_for
keys = Jwks(sys.argv[1], 3600, ["RS256"])
assert keys.find("a", "RS256") == []
turns = []
busy = gevent.spawn(lambda: [turns.append(gevent.sleep(0)) for _ in range(100)])
busy.join(5)
assert len(turns) == 100
print("others run", flush=True)
wait_for(lambda: keys.find("a", "RS256"))
keys.close()
"""


def test_a_forked_worker_reads_for_itself():
    with publishing(jwk(RSA, "a")) as server:
        run(_FORKS, server.url)
        assert len(server.paths) == 2


def test_greenlets_run_while_keys_are_read():
    with publishing(jwk(RSA, "a")) as server:
        assert run(_GEVENT, server.url) == "others run\n"
