"""The Kubernetes client takes half a second and 35 MB to import, so only a command that needs it imports it."""

import subprocess
import sys

import pytest

PROBE = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
sys.exit(any(name.partition(".")[0] == "kubernetes" for name in sys.modules))
"""


@pytest.mark.parametrize(
    "modules",
    [
        ["autoscaler", "autoscaler.cli"],
        ["autoscaler.kubernetes.client", "autoscaler.kubernetes.lease", "autoscaler.kubernetes.targets"],
        ["service.cli", "service.bootstrap.app", "service.server.gunicorn_conf"],
    ],
)
def test_the_kubernetes_client_is_not_imported(modules):
    done = subprocess.run([sys.executable, "-c", PROBE, *modules], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
