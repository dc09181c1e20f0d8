"""The API on real servers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from flask import Flask

from service.bootstrap.stores import open_stores
from service.core.likes import Likes
from service.core.readiness import Readiness
from service.settings import Settings
from tests.support.app_factory import BASE_SETTINGS, app_of
from tests.support.suites.api_suite import *  # noqa: F403

if TYPE_CHECKING:
    from tests.support.stack.servers import Servers


@pytest.fixture
def app(servers: "Servers") -> Iterator[Flask]:
    """Return the app on the servers. Counts are not cached, so that a test reads what it has just written."""
    settings = Settings(**(servers.settings.model_dump() | BASE_SETTINGS))
    with open_stores(settings) as stores:
        readiness = Readiness(stores.counter, stores.like_store, unready_after_s=settings.redis_unready_after_s)
        readiness.check_redis()
        readiness.check_postgres()
        yield app_of(Likes(counter=stores.counter, like_store=stores.like_store, cache_ms=0), readiness, settings)
