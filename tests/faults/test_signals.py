"""Load reports while a Redis primary dies or hangs. The other hash is read, and both after a failover."""

import signal
import time
from collections.abc import Iterator

import pytest
from redis.crc import key_slot

from autoscaler.errors import SignalsUnavailableError
from autoscaler.signals.report_reader import ReportReader
from service.bootstrap.stores import Stores
from service.observability.load_report import KEYS
from service.observability.load_reporter import LoadReporter
from service.redis_settings import RedisSettings
from service.storage.redis.cluster import Cluster
from service.storage.redis.load_report_store import RedisLoadReportStore
from tests.support.stack.faults import forbid_promotion, wait_for, wait_for_promotion
from tests.support.stack.servers import Servers

# The autoscaler ignores reports of this age.
STALE_S = 5


@pytest.fixture
def load_reporter(servers: Servers) -> Iterator[LoadReporter]:
    """Yield the load reporter of a pod that reports to both hashes ten times a second."""
    report_stores = [RedisLoadReportStore(Cluster(servers.settings.redis_urls, timeout_s=0.5), key) for key in KEYS]
    reporter = LoadReporter("api", lambda: {"arrivals": 1}, report_stores, every_s=0.1)
    reporter.start()
    yield reporter
    reporter.close()


@pytest.fixture
def reader(servers: Servers, load_reporter: LoadReporter) -> Iterator[ReportReader]:
    reader = ReportReader(RedisSettings(redis_urls=servers.settings.redis_urls, redis_timeout_ms=500))
    wait_for(lambda: is_fresh(reader))
    yield reader
    reader.close()


def is_fresh(reader: ReportReader) -> bool:
    return any(abs(one.age_s) < 1 for one in reader.read())


def break_node_of(servers: Servers, stores: Stores, key: str, how: signal.Signals) -> int:
    port = stores.shard_client.cluster.of_slot(key_slot(key.encode())).address[1]
    servers.valkey.processes[servers.valkey.ports.index(port)].send_signal(how)
    return port


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
@pytest.mark.parametrize("key", KEYS)
def test_reports_are_readable_without_one_primary(
    servers: Servers, stores: Stores, reader: ReportReader, key: str, how: signal.Signals
) -> None:
    forbid_promotion(servers.valkey)
    break_node_of(servers, stores, key, how)
    until = time.monotonic() + STALE_S + 2
    while time.monotonic() < until:
        (one,) = reader.read()
        assert one.age_s < STALE_S


def test_both_hashes_are_read_after_a_failover(servers: Servers, stores: Stores, reader: ReportReader) -> None:
    broken = break_node_of(servers, stores, KEYS[0], signal.SIGKILL)
    wait_for_promotion(servers.valkey, broken)
    second = break_node_of(servers, stores, KEYS[1], signal.SIGSTOP)
    assert second != broken
    # Only the first hash is readable, at its new primary.
    wait_for(lambda: is_fresh(reader), 20)


def test_the_loss_of_both_primaries_is_an_error(servers: Servers, stores: Stores, reader: ReportReader) -> None:
    forbid_promotion(servers.valkey)
    for key in KEYS:
        break_node_of(servers, stores, key, signal.SIGKILL)

    def fails() -> bool:
        try:
            return not reader.read()
        except SignalsUnavailableError as error:
            return str(error).startswith("load reports cannot be read: ")

    wait_for(fails, 20)
