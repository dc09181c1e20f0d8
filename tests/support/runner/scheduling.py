"""The order in which pytest-xdist hands out tests, when the suite runs with `--numprocesses`.

A file stays on one worker, as its fixtures start servers. Files that a busy machine disturbs, or that make it busy,
are a group: one worker runs them one after another. What takes longest starts first, so that no worker is left with a
long file at the end.
"""

import os
from collections.abc import Sequence

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Files whose tests run one after another, by the beginnings of their paths. The longest group is the first.
GROUPS = {
    # These check how long something takes.
    "faults": ("tests/faults/", "tests/integration/api/test_graceful_shutdown.py"),
    # These run a whole stack, or send it load.
    "stacks": (
        "tests/integration/observability/test_autoscaler_prometheus.py",
        "tests/integration/local/test_drill.py",
        "tests/integration/api/test_rolling_update.py",
        "tests/integration/local/test_up.py",
        "tests/integration/observability/test_monitoring.py",
    ),
}
# The longest of all other files. They start before the rest.
LONG = (
    "tests/examples/test_nextjs.py",
    "tests/integration/storage/test_state_machine.py",
    "tests/integration/storage/test_likes_on_other_servers.py",
    "tests/integration/api/test_start.py",
    "tests/integration/api/test_api_fuzz.py",
    "tests/integration/local/test_cli.py",
    "tests/model/test_protocol.py",
    "tests/unit/autoscaler/policy/test_policy_properties.py",
    "tests/unit/autoscaler/simulator/test_simulator.py",
    "tests/contract/test_api_bad_input.py",
)


class FileScheduling(LoadScopeScheduling):
    """A scheduler that keeps a file or group on one worker, and starts them in the order of the collection."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        # Without this, xdist starts with what has most tests. That is unit tests, the shortest.
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return group_of(path_of(nodeid))


def path_of(nodeid: str) -> str:
    """Return the path in a test's id."""
    return nodeid.partition("::")[0]


def group_of(path: str) -> str:
    """Return the group of a test file: one of `GROUPS`, or the file itself."""
    return next((group for group, starts in GROUPS.items() if path.startswith(starts)), path)


def position(path: str) -> int:
    """Return where the tests of a file come in the order: groups, long files, all others."""
    order = [*GROUPS, *LONG]
    group = group_of(path)
    return order.index(group) if group in order else len(order)


def share_of(ports: Sequence[int]) -> Sequence[int]:
    """Return this worker's share of the ports, or all without xdist.

    A port is chosen before it is bound. Without shares, two workers may choose the same one.
    """
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return ports[number :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
