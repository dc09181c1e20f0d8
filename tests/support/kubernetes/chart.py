"""Render the chart with `helm template`, and `k8s/` with kustomize."""

import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.runner.requirements import program

ROOT = Path(__file__).parents[3]
CHART = ROOT / "helm" / "likewise"
Object = dict[str, Any]


class RefusedError(AssertionError):
    """Helm refused to render the chart. The text is Helm's message."""


def render(*args: str, **values: object) -> list[Object]:
    """Return all objects of a release `likewise`. Pass values as `**{"redis.enabled": False}`. Raise RefusedError."""
    documents = yaml.load_all(helm_template(*set_arguments(values), *args), yaml.CSafeLoader)
    return [document for document in documents if document]


@cache
def helm_template(*args: str) -> str:
    """Return the output of `helm template`. It is cached by the arguments. Raise RefusedError."""
    command = [str(program("helm")), "template", "likewise", str(CHART), *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise RefusedError(done.stderr)
    return done.stdout


def set_arguments(values: Mapping[str, object]) -> list[str]:
    """Return Helm's `--set` arguments for values."""
    return [part for name, value in values.items() for part in ("--set", f"{name}={_text(value)}")]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).replace(",", "\\,")


def kustomize(folder: str) -> list[Object]:
    """Return the objects that `kubectl apply -k` of a folder below k8s/ applies."""
    command = [str(program("kubectl")), "kustomize", str(ROOT / "k8s" / folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def find_object(objects: list[Object], kind: str, name: str) -> Object:
    """Return the one object of a kind and name."""
    [found] = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def of_component(objects: list[Object], component: str) -> list[Object]:
    """Return the objects of a component."""
    return [one for one in objects if one["metadata"]["labels"]["app.kubernetes.io/component"] == component]


def pod_spec(owner: Object) -> Object:
    """Return the spec of the pods of a Deployment, StatefulSet or Job."""
    return dict(owner["spec"]["template"]["spec"])


def environment(container: Object) -> dict[str, Any]:
    """Return a container's variables by name: a text, or the source of the text."""
    return {one["name"]: one["value"] if "value" in one else one["valueFrom"] for one in container["env"]}
