"""Configure the tests on a cluster. tests/cluster/README.md lists what they need.

KUBECONFIG names the cluster, and INGRESS_URL is the URL of its NGINX ingress controller.
"""

import os
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

_HERE = Path(__file__).parent
# Two groups run at the same time, each in this order. Other modules are in the group `load`, whose tests send load or
# use an Ingress for all hosts.
_GROUPS = {
    "load": ("test_pod_replacement", "test_drills", "test_installation"),
    "quiet": ("test_autoscaler", "test_postgres_in_chart", "test_redis_in_chart", "test_upgrade"),
    "last": ("test_hundreds",),
}
_ORDER = [module for modules in _GROUPS.values() for module in modules]
_MISSING = [name for name in ("KUBECONFIG", "INGRESS_URL") if not os.environ.get(name)]
_NO_CLUSTER = f"there is no cluster: set {' and '.join(_MISSING)}, see tests/cluster/README.md"


class GroupScheduling(LoadScopeScheduling):
    """Run all tests of a group in one process. With `--numprocesses=2` two groups run at the same time."""

    def _split_scope(self, nodeid: str) -> str:
        module = Path(nodeid.partition("::")[0]).stem
        return next((group for group, modules in _GROUPS.items() if module in modules), "load")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling:
    """Return the scheduler. The groups of xdist 3.8 do not work with pytest 9.2."""
    return GroupScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests, extend their timeout, and skip them without a cluster."""
    ours = [item for item in items if _HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.timeout(420))
        item.add_marker(pytest.mark.requires("kubectl", "helm"))
        if _MISSING:
            item.add_marker(pytest.mark.skip(reason=_NO_CLUSTER))
    ours.sort(key=lambda item: _ORDER.index(item.path.stem) if item.path.stem in _ORDER else -1)
    items[:] = [item for item in items if _HERE not in item.path.parents] + ours


@pytest.fixture(scope="session")
def ingress_url() -> str:
    """Return the URL of the ingress controller without a slash at the end."""
    return os.environ["INGRESS_URL"].rstrip("/")
