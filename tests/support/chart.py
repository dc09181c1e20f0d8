"""The chart as `helm template` renders it, and `k8s/` as kustomize builds it."""

import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.requirements import program

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "likewise"
Object = dict[str, Any]


class RefusedError(AssertionError):
    """Helm would not render the chart; the text is what it said."""


def render(*args: str, **values: object) -> list[Object]:
    """All objects of a release `likewise`; values as `{"redis.enabled": False}` by `**`. Raises RefusedError."""
    return [found for found in yaml.load_all(rendered(*given(values), *args), yaml.CSafeLoader) if found]


@cache
def rendered(*args: str) -> str:
    """What `helm template` prints, once for the same arguments. Raises RefusedError."""
    command = [str(program("helm")), "template", "likewise", str(CHART), *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise RefusedError(done.stderr)
    return done.stdout


def given(values: Mapping[str, object]) -> list[str]:
    """Helm's arguments for values."""
    return [part for name, value in values.items() for part in ("--set", f"{name}={_text(value)}")]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).replace(",", "\\,")


def built(folder: str) -> list[Object]:
    """What `kubectl apply -k` of a folder below k8s/ would apply."""
    done = subprocess.run(
        [str(program("kubectl")), "kustomize", str(ROOT / "k8s" / folder)], capture_output=True, text=True, check=True
    )
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def named(objects: list[Object], kind: str, name: str) -> Object:
    """The one object of that kind and name."""
    [found] = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def of_component(objects: list[Object], component: str) -> list[Object]:
    """What belongs to a component."""
    return [one for one in objects if one["metadata"]["labels"]["app.kubernetes.io/component"] == component]


def pod(owner: Object) -> Object:
    """The spec of the pods of a Deployment, StatefulSet or Job."""
    return dict(owner["spec"]["template"]["spec"])


def environment(container: Object) -> dict[str, Any]:
    """Its variables: a text, or where the text comes from."""
    return {one["name"]: one["value"] if "value" in one else one["valueFrom"] for one in container["env"]}
