"""The cluster tests take any Kubernetes: KUBECONFIG names it, LIKEWISE_TEST_IMAGE an image that its nodes hold.

INGRESS_URL is where its NGINX ingress controller answers. See tests/cluster/README.md.
"""

import os
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

_HERE = Path(__file__).parent
_GROUPS = {  # two of them at a time, each in this order; any other module is in the first
    "load": ("test_going", "test_drills", "test_installation"),  # which send load or take an Ingress for all hosts
    "quiet": ("test_autoscaler", "test_postgres_in_chart", "test_redis_in_chart", "test_upgrade"),
    "last": ("test_hundreds",),
}
_ORDER = [module for modules in _GROUPS.values() for module in modules]
_MISSING = [name for name in ("KUBECONFIG", "INGRESS_URL") if not os.environ.get(name)]
_NO_CLUSTER = f"there is no cluster: set {' and '.join(_MISSING)}, see tests/cluster/README.md"


class TwoAtATime(LoadScopeScheduling):
    """For `--numprocesses=2`, as these tests mostly wait: a group is one process's."""

    def _split_scope(self, nodeid: str) -> str:
        module = Path(nodeid.partition("::")[0]).stem
        return next((group for group, modules in _GROUPS.items() if module in modules), "load")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> TwoAtATime:
    """Said here, as xdist 3.8 does not see its own groups under pytest 9.2."""
    return TwoAtATime(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a cluster these tests are skipped, saying so; with one, each may take some minutes."""
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
    """Where the ingress controller answers, without a slash at the end."""
    return os.environ["INGRESS_URL"].rstrip("/")
