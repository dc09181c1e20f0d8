"""An issuer's published keys, from real servers that change, fail, hang, redirect and send rubbish."""

import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from jwt.algorithms import RSAAlgorithm
from structlog.testing import capture_logs

from service.auth.https_document import MAX_BYTES, HttpsDocument
from service.auth.jwks import Jwks, pause_s
from service.auth.jwt_keys import MAX_PUBLISHED, fits, published_keys
from service.errors import ConfigurationError
from tests.support.auth.jwt_issuer import EC, ED, OTHER_RSA, RSA, Publisher, jwk, jwks, pem, private_pem, publishing
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
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.auth.jwks.FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("service.auth.jwks.LONGEST_PAUSE_S", 0.02)


def found(keys: Jwks, kid: str | None = "a", alg: str = "RS256") -> bool:
    return bool(keys.find(kid, alg))


def test_keys_are_read_with_the_first_question_and_not_before():
    with publishing(jwk(RSA, "a"), jwk(EC, "b"), jwk(ED, "c")) as server, reading(server.url) as keys:
        before = threading.active_count()
        assert (keys.ready, keys._task.is_running) == (False, False)
        found(keys)  # too early, as a rule
        assert threading.active_count() > before
        wait_for(lambda: keys.ready)
        assert keys.find("a", "RS256") == [RSA.public_key()]
        assert (keys.find("b", "ES256"), keys.find("c", "EdDSA")) == ([EC.public_key()], [ED.public_key()])
        assert [keys.find("a", alg) for alg in ("ES256", "EdDSA", "HS256", "none")] == [[]] * 4
        assert keys.find(None, "ES256") == [EC.public_key()]


def test_start_twice_is_one_thread_and_after_close_none():
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


def test_a_changed_document_counts_with_the_next_reading():
    with publishing(jwk(RSA, "a")) as server, reading(server.url, refresh_s=0.02) as keys:
        wait_for(lambda: found(keys))
        server.body = jwks(jwk(OTHER_RSA, "b"), jwk(RSA, "a"))
        wait_for(lambda: found(keys, "b"))
        assert found(keys, "a")
        server.body = jwks(jwk(OTHER_RSA, "b"))
        wait_for(lambda: not found(keys, "a"))


def test_an_unknown_key_is_looked_for_once_in_a_while():
    with publishing(jwk(RSA, "a")) as server, reading(server.url) as keys:
        wait_for(lambda: found(keys) and keys._has_tried)
        server.body = jwks(jwk(OTHER_RSA, "b"))
        assert not found(keys, "b")
        wait_for(lambda: found(keys, "b"))
        assert len(server.paths) == 2


def test_early_readings_keep_their_distance(monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr("service.auth.jwks.monotonic", lambda: now[0])
    with publishing(jwk(RSA, "a")) as server, reading(server.url) as keys:
        wait_for(lambda: found(keys, None) and keys._has_tried)
        with monkeypatch.context() as patched:
            asked = []
            patched.setattr(keys._task, "wake", lambda: asked.append(now[0]))
            for seconds in (0, 5, 4.9, 0.2, 9.9, 0.2):
                now[0] += seconds
                assert not found(keys, "b")
                assert not found(keys, "c")
        assert asked == [1_000.0, pytest.approx(1_010.1), pytest.approx(1_020.2)]


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
def test_rubbish_leaves_the_old_keys(body):
    check_outage(lambda server: setattr(server, "body", body))


@pytest.mark.parametrize("status", [204, 304, 400, 404, 500, 503])
def test_a_failing_server_leaves_the_old_keys(status):
    check_outage(lambda server: setattr(server, "status", status))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status):
    with publishing(jwk(OTHER_RSA, "b")) as elsewhere:

        def redirect(server: Publisher) -> None:
            server.location, server.status = elsewhere.url, status

        check_outage(redirect)
        assert elsewhere.paths == []


def test_a_server_that_hangs_leaves_the_old_keys(monkeypatch):
    def hang(server: Publisher) -> None:
        monkeypatch.setattr("service.auth.https_document.TIMEOUT_S", 0.05)
        server.hang = True

    check_outage(hang, lambda: monkeypatch.setattr("service.auth.https_document.TIMEOUT_S", 5.0))


def test_a_server_that_never_ends_its_answer_is_cut_off(monkeypatch):
    def drip(server: Publisher) -> None:
        monkeypatch.setattr("service.auth.https_document.TIMEOUT_S", 0.1)  # a byte comes each 0.01 s
        server.drip = True

    check_outage(drip, lambda: monkeypatch.setattr("service.auth.https_document.TIMEOUT_S", 5.0))


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


def test_an_issuer_that_is_away_at_first_is_found_later():
    with publishing() as server, reading(server.url) as keys:
        server.status = 503
        keys.start()
        wait_for(lambda: len(server.paths) > 2)
        assert (keys.ready, found(keys)) == (False, False)
        server.status, server.body = 200, jwks(jwk(RSA, "a"))
        wait_for(lambda: found(keys))


def test_close_ends_a_reading_that_hangs():
    with publishing(jwk(RSA, "a")) as server:
        server.hang = True
        with reading(server.url) as keys:
            keys.start()
            wait_for(lambda: server.paths)
            began = time.monotonic()
        assert time.monotonic() - began < 4  # its own timeout would be 5 s


def test_pauses_grow_to_a_minute_and_differ(monkeypatch):
    monkeypatch.undo()
    for failures, expected in enumerate([300, 1, 2, 4, 8, 16, 32, 60, 60]):
        pauses = {pause_s(failures, 300) for _ in range(50)}
        assert len(pauses) > 10
        assert all(expected * 0.9 <= pause <= expected * 1.1 for pause in pauses)
    assert pause_s(10**6, 300) <= 66


@pytest.mark.parametrize(
    "url",
    [
        "",
        "jwks.json",
        "//login.example/jwks.json",
        "http://login.example/jwks.json",
        "http://127.0.0.1.example/jwks.json",
        "http://0.0.0.0/jwks.json",
        "http://10.0.0.1/jwks.json",
        "http://localhost.example/",
        "http://127.0.0.1@login.example/jwks.json",
        "https://anna:geheim@login.example/",
        "https://",
        "https:///jwks.json",
        "https://login.example:port/",
        "https://login.example:0/",
        "https://[::1/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/jwks.json",
        "javascript:alert(1)",
    ],
)
def test_only_https_or_this_machine(url):
    with pytest.raises(ConfigurationError, match="LIKEWISE_JWKS_URL must be https") as raised:
        Jwks(url, 300, ALGORITHMS)
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["https://login.example/a?b=c", "http://localhost:1/", "http://[::1]:1/", "http://127.8.0.1/"]
)
def test_https_and_this_machine_are_taken(url):
    assert HttpsDocument(url).host in url


def test_the_path_is_asked_for_as_given():
    with publishing(jwk(RSA, "a")) as server:
        HttpsDocument(server.url + "?tenant=1").read()
        HttpsDocument(server.url.removesuffix("/jwks.json")).read()
        assert server.paths == ["/jwks.json?tenant=1", "/"]


def test_a_document_has_a_bound_of_bytes():
    with publishing() as server:
        server.body = jwks(jwk(RSA, "a")).ljust(MAX_BYTES)
        assert len(HttpsDocument(server.url).read()) == MAX_BYTES
        server.body += b" "
        with pytest.raises(ValueError, match="more than 262144 bytes"):
            HttpsDocument(server.url).read()


def test_a_closed_document_is_not_read():
    with publishing(jwk(RSA, "a")) as server:
        document = HttpsDocument(server.url)
        document.close()
        with pytest.raises(ValueError, match="closed"):
            document.read()


def kids(*entries: object) -> list[str | None]:
    return [one.kid for one in published_keys(json.dumps({"keys": entries}).encode(), ALGORITHMS)]


def test_what_a_document_may_hold():
    good = [
        jwk(RSA, "plain"),
        jwk(RSA, "for RS256", alg="RS256"),
        jwk(RSA, "no use", use=None),
        jwk(RSA, "ops", key_ops=["verify"]),
        jwk(EC, "ec"),
        jwk(ED, "ed", alg="EdDSA"),
        jwk(RSA, None),
        jwk(RSA, "more", x5c=["AAAA"], x5u="http://127.0.0.1:1/"),
    ]
    assert kids(*good) == [entry.get("kid") for entry in good]


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "k": "A" * 64, "kid": "a"},
        {"kty": "oct", "k": "A" * 64, "kid": "a", "alg": "RS256"},
        jwk(RSA, "a", use="enc"),
        jwk(RSA, "a", use=["sig"]),
        jwk(RSA, "a", alg="RS512"),
        jwk(RSA, "a", alg="HS256"),
        jwk(RSA, "a", alg="none"),
        jwk(RSA, "a", alg="ES256"),
        jwk(RSA, "a", alg=["RS256"]),
        jwk(RSA, "a", key_ops=["encrypt"]),
        jwk(RSA, "a", key_ops="verify"),
        jwk(RSA, "a", key_ops=[]),
        jwk(RSA, "a", kty="EC"),
        jwk(RSA, "a", kty=["RSA"]),
        jwk(RSA, "a", kty=None),
        jwk(RSA, "a", n=None),
        jwk(RSA, "a", n=5),
        jwk(RSA, "a", n=""),
        jwk(RSA, "a", n="é"),
        jwk(RSA, "a", e="AQ"),
        jwk(RSA, "a", d="AAAA"),
        {"kid": "a", **RSAAlgorithm.to_jwk(RSA, as_dict=True), "key_ops": ["verify"]},
        jwk(rsa.generate_private_key(65_537, 1_024), "a"),
        jwk(RSA, "a", n="_" * 20_000),
        jwk(EC, "a", crv="P-384"),
        jwk(EC, "a", crv="P-999"),
        jwk(EC, "a", x="A" * 43),
        jwk(ED, "a", crv="X25519"),
        jwk(ED, "a", x="AAAA"),
    ],
)
def test_what_is_passed_over(entry):
    assert kids(entry, jwk(EC, "good")) == ["good"]


def test_a_document_has_a_bound_of_keys_and_an_unnamed_token_tries_few():
    many = [jwk(RSA, str(at)) for at in range(MAX_PUBLISHED + 5)]
    assert len(kids(*many)) == MAX_PUBLISHED
    with publishing(*many) as server, reading(server.url) as keys:
        wait_for(lambda: found(keys, None))
        assert len(keys.find(None, "RS256")) == 4


def test_a_key_fits_only_its_own_algorithms():
    names = ["RS256", "PS512", "ES256", "ES384", "ES256K", "EdDSA", "HS256", "none", ""]
    fitting = [
        [name for name in names if fits(key, name)] for key in (*(k.public_key() for k in (RSA, EC, ED)), pem(RSA))
    ]
    assert fitting == [["RS256", "PS512"], ["ES256"], ["EdDSA"], ["HS256"]]


def certificate(folder: Path) -> Path:
    """A certificate of 127.0.0.1, with its key, that only who is given it trusts."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(
        name, name, RSA.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(1)
    )
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    file = folder / "server.pem"
    file.write_text(made.sign(RSA, SHA256()).public_bytes(Encoding.PEM).decode())
    file.with_suffix(".key").write_text(private_pem(RSA))
    return file


def test_https_is_checked(tmp_path, monkeypatch):
    file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, file.with_suffix(".key"))
    with publishing(jwk(EC, "a")) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        document = HttpsDocument(server.url.replace("http:", "https:"))
        with pytest.raises(ssl.SSLCertVerificationError):
            document.read()
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        assert json.loads(document.read())["keys"][0]["kid"] == "a"


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
print("others go on", flush=True)
wait_for(lambda: keys.find("a", "RS256"))
keys.close()
"""


def test_a_forked_worker_reads_for_itself():
    with publishing(jwk(RSA, "a")) as server:
        run(_FORKS, server.url)
        assert len(server.paths) == 2


def test_greenlets_go_on_while_keys_are_read():
    with publishing(jwk(RSA, "a")) as server:
        assert run(_GEVENT, server.url) == "others go on\n"
