"""The tests of likes again, on other servers than the embedded ones: Debian's Redis and Postgres, or those you name.

LIKEWISE_TEST_REDIS_URLS and LIKEWISE_TEST_SHARD_MAP (shards 0 to 15) name servers. The tests EMPTY them.
LIKEWISE_TEST_REDIS_SERVER names a redis-server, and LIKEWISE_TEST_POSTGRES_BIN a folder with initdb and postgres.
"""

import os
from collections.abc import Iterator

import pytest

from service.storage.postgres.migrate import migrate
from tests.support.runner.requirements import program
from tests.support.stack.servers import Servers, emptied, running, settings_at
from tests.support.suites.likes_suite import *  # noqa: F403
from tests.support.suites.state_machine_suite import *  # noqa: F403

ADDRESSES = (os.environ.get("LIKEWISE_TEST_REDIS_URLS", ""), os.environ.get("LIKEWISE_TEST_SHARD_MAP", ""))

pytestmark = [] if all(ADDRESSES) else [pytest.mark.requires("redis-server", "initdb")]


@pytest.fixture(scope="module")
def _others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    if all(ADDRESSES):
        settings = settings_at(ADDRESSES[0].split(","), ADDRESSES[1])
        migrate(settings)
        yield Servers(None, [], settings)
        return
    redis_server, postgres_bin = program("redis-server"), program("initdb").parent
    with running(tmp_path_factory.mktemp("others"), redis_server=redis_server, postgres_bin=postgres_bin) as servers:
        yield servers


@pytest.fixture
def servers(_others: Servers) -> Servers:
    """Empty servers that are not the embedded ones."""
    return emptied(_others)
