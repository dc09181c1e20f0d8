"""The same contract on Debian's Redis and Postgres, where they are installed, or on servers by their addresses.

LIKEWISE_TEST_REDIS_URLS and LIKEWISE_TEST_SHARD_MAP (shards 0 to 15) name servers that may be EMPTIED; or
LIKEWISE_TEST_REDIS_SERVER names a redis-server and LIKEWISE_TEST_POSTGRES_BIN a folder with initdb and postgres.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.storage.postgres.migrate import migrate
from tests.integration.test_likes import (  # noqa: F401 - collected here again, on the servers below
    test_a_like_counts_once_and_lasts,
    test_a_seed_is_where_a_count_starts,
    test_each_acknowledgement,
    test_likes_survive_an_emptied_redis,
    test_many_at_once_count_one,
)
from tests.integration.test_state_machine import test_likes_behave_as_a_set  # noqa: F401
from tests.support.servers import Servers, emptied, running, settings_at

REDIS = Path(os.environ.get("LIKEWISE_TEST_REDIS_SERVER", "/usr/bin/redis-server"))
_NEWEST = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/lib/postgresql/17/bin"))
POSTGRES = Path(os.environ.get("LIKEWISE_TEST_POSTGRES_BIN", _NEWEST))
ADDRESSES = (os.environ.get("LIKEWISE_TEST_REDIS_URLS", ""), os.environ.get("LIKEWISE_TEST_SHARD_MAP", ""))

pytestmark = pytest.mark.skipif(
    not all(ADDRESSES) and not (REDIS.exists() and (POSTGRES / "initdb").exists()),
    reason=f"{REDIS} or {POSTGRES}/initdb is not installed",
)


@pytest.fixture(scope="module")
def _others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    if all(ADDRESSES):
        settings = settings_at(ADDRESSES[0].split(","), ADDRESSES[1])
        migrate(settings)
        yield Servers(None, [], settings)
        return
    with running(tmp_path_factory.mktemp("others"), redis_server=REDIS, postgres_bin=POSTGRES) as servers:
        yield servers


@pytest.fixture
def servers(_others: Servers) -> Servers:
    """Other servers, that answer and hold nothing."""
    return emptied(_others)
