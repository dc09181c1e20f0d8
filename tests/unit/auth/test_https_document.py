"""Documents of other servers are read over HTTPS only, and within limits."""

import json
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from service.auth.https_document import MAX_BYTES, HttpsDocument
from service.errors import ConfigurationError
from tests.support.auth.jwt_issuer import EC, RSA, jwk, jwks, private_pem, publishing


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
def test_other_urls_are_refused(url):
    with pytest.raises(ConfigurationError, match="LIKEWISE_JWKS_URL must be https") as raised:
        HttpsDocument(url)
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["https://login.example/a?b=c", "http://localhost:1/", "http://[::1]:1/", "http://127.8.0.1/"]
)
def test_https_and_this_machine_are_accepted(url):
    assert HttpsDocument(url).host in url


def test_the_path_is_requested_as_given():
    with publishing(jwk(RSA, "a")) as server:
        HttpsDocument(server.url + "?tenant=1").read()
        HttpsDocument(server.url.removesuffix("/jwks.json")).read()
        assert server.paths == ["/jwks.json?tenant=1", "/"]


def test_the_size_of_a_document_is_limited():
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


def certificate(folder: Path) -> Path:
    """Make a self-signed certificate of 127.0.0.1, with its key, and return its file."""
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


def test_certificates_are_verified(tmp_path, monkeypatch):
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
