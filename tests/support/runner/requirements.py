"""Programs that some tests need besides Python: where each is found, and the package that has it.

Without the program the test is skipped, and the reason names the package. With `CI=true` the test fails instead.
Use `pytestmark = pytest.mark.requires("helm")` where the program only has to be there, and `program("helm")` where its
path is used.
"""

import os
import shutil
from pathlib import Path

import pytest

_DEBIAN_POSTGRES = Path("/usr/lib/postgresql")

# How to install each program: Debian's package, or the page that has one where Debian has none.
_INSTALL = {
    "chromium": "apt-get install chromium",
    "curl": "apt-get install curl",
    "helm": "see https://helm.sh/docs/intro/install",
    "initdb": "apt-get install postgresql",
    "kube-score": "see https://github.com/zegl/kube-score#installation",
    "kubeconform": "see https://github.com/yannh/kubeconform#installation",
    "kubectl": "apt-get install kubernetes-client",
    "node": "apt-get install nodejs",
    "npm": "apt-get install npm",
    "prometheus": "apt-get install prometheus",
    "promtool": "apt-get install prometheus",
    "redis-server": "apt-get install redis-server",
}

# Environment variables that name a program which is not on the PATH.
_PATH_VARIABLES = {"chromium": "LIKEWISE_TEST_CHROMIUM", "redis-server": "LIKEWISE_TEST_REDIS_SERVER"}


def program(name: str) -> Path:
    """Return the path of a program. Skip the test if there is none, or fail it with `CI=true`."""
    found = _find(name)
    if not found:
        _give_up(f"{name} is not installed: {_INSTALL[name]}")
    return Path(found)


def is_ci() -> bool:
    """Return whether a missing program is an error."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def _find(name: str) -> str | None:
    if name == "initdb":
        return shutil.which(name, path=_postgres_folder())
    return shutil.which(os.environ.get(_PATH_VARIABLES.get(name, "")) or name)


def _postgres_folder() -> str:
    """Return the folder with Postgres' programs: LIKEWISE_TEST_POSTGRES_BIN, or the newest of Debian's packages."""
    folders = sorted(_DEBIAN_POSTGRES.glob("*/bin"), key=lambda folder: int(folder.parent.name))
    newest = str(folders[-1]) if folders else os.defpath
    return os.environ.get("LIKEWISE_TEST_POSTGRES_BIN", newest)


def _give_up(reason: str) -> None:
    if is_ci():
        pytest.fail(f"{reason} (CI=true: nothing is skipped)", pytrace=False)
    pytest.skip(reason)
