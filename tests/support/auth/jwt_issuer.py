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
    """Return the public half of a key in PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key: Any) -> str:
    """Return a private key in PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def jwk(key: Any, kid: str | None, **members: Any) -> dict[str, Any]:
    """Return the public half as an entry of a JWKS document. Members that are None are left out."""
    kind = {type(RSA): RSAAlgorithm, type(EC): ECAlgorithm, type(ED): OKPAlgorithm}[type(key)]
    entry = {"kid": kid, "use": "sig", **kind.to_jwk(key.public_key(), as_dict=True), "key_ops": None, **members}
    return {name: value for name, value in entry.items() if value is not None}


def jwks(*entries: dict[str, Any]) -> bytes:
    """Return a JWKS document."""
    return json.dumps({"keys": list(entries)}).encode()


def claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a valid token. Claims that are None are left out."""
    good = {"sub": "anna", "aud": AUDIENCE, "iss": ISSUER, "exp": int(time.time()) + 600}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(key: Any = RSA, alg: str = "RS256", headers: dict[str, Any] | None = None, **changes: Any) -> str:
    """Return a token with a valid signature."""
    return jwt.encode(claims(**changes), key, alg, headers)


def b64(data: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw(header: object, payload: object, sign: Callable[[bytes], bytes] = lambda _: b"signature") -> str:
    """Return a token with any header, claims and signature, as no library would write it."""
    parts = [b64(one if isinstance(one, bytes) else json.dumps(one).encode()) for one in (header, payload)]
    signed = ".".join(parts)
    return f"{signed}.{b64(sign(signed.encode()))}"


def hmac_by(secret: bytes) -> Callable[[bytes], bytes]:
    """Return a function that signs by HS256 with any secret, even a public key."""
    return lambda signed: hmac.digest(secret, signed, "sha256")


class Publisher(ThreadingHTTPServer):
    """Serves `body` with `status` at any path, and records the paths. `hang` delays responses until the end."""

    daemon_threads = True

    def __init__(self, body: bytes = b"") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body, self.status, self.location, self.hang, self.drip = body, 200, "", False, False
        self.paths: list[str] = []
        self.released = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/jwks.json"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect, which is part of the tests."""


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
    """Run a server that publishes these keys, until the end of the block."""
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
