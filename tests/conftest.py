"""Fixtures of every test: real servers once a session, emptied between tests."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from service.bootstrap.app import Stores, open_stores
from tests.support.servers import Servers, emptied, running


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command that configures logs, as each does, leaves them as they were for the tests after it."""
    kept = structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**kept)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with running(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.fixture
def servers(_servers: Servers) -> Servers:
    """Servers that answer and hold nothing."""
    return emptied(_servers)


@pytest.fixture
def stores(servers: Servers) -> Iterator[Stores]:
    """Counter, like_store and queue on the servers."""
    with open_stores(servers.settings) as opened:
        yield opened
