"""The installation that a command works on: its options, its settings, and connections to it."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click

from autoscaler.controller.run_settings import RunSettings
from autoscaler.settings import read_settings

# Modules that import the Kubernetes client are imported where they are used, because that takes half a second.
if TYPE_CHECKING:
    from autoscaler.kubernetes.client import KubernetesApi
    from autoscaler.kubernetes.lease import KubernetesLease

# A command may wait for longer than the control loop.
_REQUEST_S = 10.0


def with_installation(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name the installation."""
    release = click.option("--release", default=None, help="Name of the Helm release.  [default: likewise]")
    namespace = click.option(
        "--namespace", "-n", default=None, help="Namespace of the release.  [default: the one in KUBECONFIG]"
    )
    return release(namespace(command))


def run_settings(namespace: str | None = None, release: str | None = None) -> RunSettings:
    """Return the settings from the environment. Arguments take precedence. Raises ConfigurationError."""
    given = {"namespace": namespace} if namespace else {}
    if release:
        # The chart derives the names of its objects from the release in the same way.
        name = release if "likewise" in release else f"{release}-likewise"
        own = f"{name}-autoscaler"
        given |= {"deployment": f"{name}-api", "hpa": f"{name}-api", "flushers": f"{name}-flusher"}
        given |= {"lease": own, "decisions": own}
    return read_settings(RunSettings, **given)


@contextmanager
def connected_api(settings: RunSettings) -> "Iterator[KubernetesApi]":
    """Connect to the API server until the end of the block. Raises ConfigurationError."""
    from autoscaler.kubernetes.client import KubernetesApi
    from autoscaler.kubernetes.transport import connect

    with closing(KubernetesApi(connect(settings.namespace, _REQUEST_S))) as api:
        yield api


@contextmanager
def connected_lease(settings: RunSettings) -> "Iterator[KubernetesLease]":
    """Connect to the Lease until the end of the block. Raises ConfigurationError."""
    from autoscaler.kubernetes.lease import KubernetesLease
    from autoscaler.kubernetes.transport import connect

    with closing(connect(settings.namespace, _REQUEST_S)) as connection:
        yield KubernetesLease(connection, settings.lease)
