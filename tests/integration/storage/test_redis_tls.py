"""A Redis Cluster that only speaks TLS, and only to an ACL user: the credentials come apart from the addresses."""

import ipaddress
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from autoscaler.errors import SignalsUnavailableError
from autoscaler.signals.report_reader import ReportReader
from service.bootstrap.stores import create_likes, create_load_reporter, open_stores
from service.devstack.processes import free_ports, spawn
from service.errors import CounterUnavailableError
from service.redis_settings import RedisSettings
from service.settings import Settings
from tests.support.loop_thread import likes_on_loop
from tests.support.runner.requirements import program
from tests.support.stack.servers import Servers
from tests.support.waiting import wait_for

HOST = "127.0.0.1"
PASSWORD = "a password, with % and @"
# The embedded Valkey is built without TLS.
pytestmark = pytest.mark.requires("redis-server")


def _certificate(folder: Path) -> None:
    """Create a key, and a self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "redis")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "redis.key").write_bytes(key.private_bytes(*private))
    (folder / "redis.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Run a node with TLS that serves all slots. Yield its port, and the certificate of its authority."""
    folder = tmp_path_factory.mktemp("tls")
    _certificate(folder)
    port, certificate, key = free_ports(1)[0], folder / "redis.crt", folder / "redis.key"
    config = folder / "redis.conf"
    config.write_text(
        f"bind {HOST}\nport 0\ntls-port {port}\ntls-cert-file {certificate}\ntls-key-file {key}\n"
        f"tls-ca-cert-file {certificate}\ntls-auth-clients no\ntls-cluster yes\ncluster-enabled yes\ndir {folder}\n"
        f'user default off\nuser likewise on ">{PASSWORD}" ~* &* +@all\n'
    )
    child = spawn([str(program("redis-server")), str(config)], log=folder / "log", env={})
    client = redis.Redis(
        host=HOST, port=port, ssl=True, ssl_ca_certs=str(certificate), username="likewise", password=PASSWORD
    )
    try:
        wait_for(lambda: _answers(client))
        client.execute_command("CLUSTER ADDSLOTSRANGE 0 16383")
        wait_for(lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok")
        yield port, certificate
    finally:
        client.close()
        child.kill()
        child.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


@pytest.fixture
def settings(secured: tuple[int, Path], servers: Servers) -> Settings:
    port, certificate = secured
    return servers.with_settings(
        redis_urls=[f"rediss://{HOST}:{port}"],
        redis_username="likewise",
        redis_password=SecretStr(PASSWORD),
        redis_ca_file=str(certificate),
    )


def test_a_like_counts_and_lasts(settings: Settings) -> None:
    with open_stores(settings) as stores:
        likes = create_likes(stores)
        assert likes.like("a-post", "user:ann").count == 1
        assert not likes.like("a-post", "user:ann").changed
        assert likes.unlike("a-post", "user:ann").count == 0


def test_the_event_loop_sends_likes_over_tls(settings: Settings) -> None:
    actors = [f"user:{at}" for at in range(500)]
    with open_stores(settings) as stores, likes_on_loop(stores) as likes, ThreadPoolExecutor(50) as pool:
        assert likes.like("many", "user:ann").count == 1
        states = list(pool.map(partial(likes.like, "many"), actors))
        assert {state.count for state in states} == set(range(2, len(actors) + 2))
        assert likes.unlike("many", "user:ann").changed


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"redis_password": SecretStr("another")}, "invalid username-password pair"),
        ({"redis_username": ""}, "WRONGPASS|invalid username-password pair"),
        ({"redis_ca_file": ""}, "certificate verify failed"),
    ],
)
def test_an_error_names_the_node_and_the_reason(settings: Settings, change: dict[str, object], reason: str) -> None:
    with open_stores(settings.model_copy(update=change)) as stores:
        assert stores.counter.check()[0].startswith(f"Redis {HOST}:")
        with pytest.raises(CounterUnavailableError, match=reason):
            create_likes(stores).like("a-post", "user:ann")


def test_the_autoscaler_reads_load_reports_over_tls(settings: Settings) -> None:
    given = settings.model_dump(include={"redis_urls", "redis_username", "redis_password", "redis_ca_file"})
    reader, reporter = (
        ReportReader(RedisSettings(**given)),
        create_load_reporter(settings, "api", lambda: {"arrivals": 5}),
    )
    reporter.start()
    wait_for(lambda: [report.load for report in reader.read()] == [{"arrivals": 5}])
    reporter.close()
    reader.close()
    wrong = ReportReader(RedisSettings(**given | {"redis_password": SecretStr("another")}))
    with pytest.raises(SignalsUnavailableError, match=r"load reports cannot be read: .*username-password"):
        wrong.read()
    wrong.close()
