"""The cluster tests take any Kubernetes: KUBECONFIG names it, LIKEWISE_TEST_IMAGE an image that its nodes hold.

INGRESS_URL is where its NGINX ingress controller answers. See tests/cluster/README.md.
"""

import os
import shutil
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_MISSING = [name for name in ("KUBECONFIG", "INGRESS_URL") if not os.environ.get(name)]
_MISSING += [tool for tool in ("kubectl", "helm") if not shutil.which(tool)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a cluster these tests are skipped, saying so; with one, each may take some minutes."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(420))
            if _MISSING:
                item.add_marker(pytest.mark.skip(reason=f"no cluster: {', '.join(_MISSING)} missing"))


@pytest.fixture(scope="session")
def ingress_url() -> str:
    """Where the ingress controller answers, without a slash at the end."""
    return os.environ["INGRESS_URL"].rstrip("/")
