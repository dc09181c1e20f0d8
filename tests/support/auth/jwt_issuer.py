"""An issuer of users' tokens for tests: its keys, what it signs, and a real server that publishes them."""

import base64
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

RSA, OTHER_RSA = (rsa.generate_private_key(65_537, 2_048) for _ in range(2))
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
AUDIENCE, ISSUER = "likewise", "https://login.blog.test"
SECRET = "kP3vX9mQ2wL7rT5yZ8bN4cF6hJ1sD0gAeUiOaMnB"


def pem(key: Any) -> str:
    """The public half of a key."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key: Any) -> str:
    """A key that nobody should be given."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def jwk(key: Any, kid: str | None, **members: Any) -> dict[str, Any]:
    """The public half as an entry of a JWKS document; a member of None is left out."""
    kind = {type(RSA): RSAAlgorithm, type(EC): ECAlgorithm, type(ED): OKPAlgorithm}[type(key)]
    entry = {"kid": kid, "use": "sig", **kind.to_jwk(key.public_key(), as_dict=True), "key_ops": None, **members}
    return {name: value for name, value in entry.items() if value is not None}


def jwks(*entries: dict[str, Any]) -> bytes:
    """A JWKS document."""
    return json.dumps({"keys": list(entries)}).encode()


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says; a claim of None is left out."""
    good = {"sub": "anna", "aud": AUDIENCE, "iss": ISSUER, "exp": int(time.time()) + 600}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(key: Any = RSA, alg: str = "RS256", headers: dict[str, Any] | None = None, **changes: Any) -> str:
    """A token with a true signature."""
    return jwt.encode(claims(**changes), key, alg, headers)


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw(header: object, payload: object, sign: Callable[[bytes], bytes] = lambda _: b"signature") -> str:
    """A token of any header and claims, signed by whatever is given: what a library would not write."""
    parts = [b64(one if isinstance(one, bytes) else json.dumps(one).encode()) for one in (header, payload)]
    signed = ".".join(parts)
    return f"{signed}.{b64(sign(signed.encode()))}"


def hmac_by(secret: bytes) -> Callable[[bytes], bytes]:
    """HS256 with any secret, also a public key."""
    return lambda signed: hmac.digest(secret, signed, "sha256")


class Publisher(ThreadingHTTPServer):
    """Serves `body` with `status` at any path, and counts; `hang` holds answers back until closed."""

    daemon_threads = True

    def __init__(self, body: bytes = b"") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body, self.status, self.location, self.hang, self.drip = body, 200, "", False, False
        self.paths: list[str] = []
        self.released = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/jwks.json"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Publisher = self.server  # type: ignore[assignment]
        server.paths.append(self.path)
        if server.hang:
            server.released.wait(30)
        self.send_response(server.status)
        if server.location:
            self.send_header("Location", server.location)
        self.end_headers()
        if server.drip:
            while not server.released.wait(0.01):
                self.wfile.write(b" ")
        self.wfile.write(server.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the standard library
        pass


@contextmanager
def publishing(*entries: dict[str, Any]) -> Iterator[Publisher]:
    """A server on this machine that publishes these keys, until the end of the block."""
    server = Publisher(jwks(*entries))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
