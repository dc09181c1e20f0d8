"""Fixtures and rules of every test: real servers per session, emptied between tests; skipped tests, and the reasons."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from xdist.remote import Producer

from service.bootstrap.stores import Stores, open_stores
from service.devstack import processes
from tests.support.runner import scheduling, skip_summary
from tests.support.runner.requirements import is_ci, program
from tests.support.stack.servers import Servers, emptied, running

# Before the suites are imported, so that their assertions are explained.
pytest.register_assert_rewrite("tests.support.suites")

# Hypothesis' deadlines and health checks of slow examples fail on a busy machine. pytest-timeout ends tests that hang.
# In CI the examples are the same in each run, so that a failure is caused by the change. Elsewhere they differ, so that
# each run tries new ones.
hypothesis_settings.register_profile(
    "likewise", deadline=None, derandomize=is_ci(), print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("likewise")

# Servers of two workers must not choose the same port.
processes._CANDIDATES = scheduling.share_of(processes._CANDIDATES)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> scheduling.FileScheduling:
    """Choose our own scheduler. The groups of xdist 3.8 do nothing under pytest 9.2."""
    return scheduling.FileScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests of an xdist worker."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: scheduling.position(scheduling.path_of(item.nodeid)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Look for the programs that `@pytest.mark.requires` names before any fixture starts servers."""
    for marker in item.iter_markers("requires"):
        for name in marker.args:
            program(name)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Print the skipped tests and the reasons as the last lines of the run.

    LIKEWISE_TEST_SKIPPED names a file to add these lines to: `make test` prints those of all its runs at the end.
    """
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    summary = list(skip_summary.lines(reporter.stats.get("skipped", [])))
    for line in summary:
        reporter.write_line(line)
    if path := os.environ.get("LIKEWISE_TEST_SKIPPED"):
        skip_summary.append(Path(path), summary)


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    """Restore the configuration of logs, which each command changes, for the tests after it."""
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
    """Return servers that answer and hold nothing."""
    return emptied(_servers)


@pytest.fixture
def stores(servers: Servers) -> Iterator[Stores]:
    """Open the counter, the like store and the queue on the servers."""
    with open_stores(servers.settings) as opened:
        yield opened
