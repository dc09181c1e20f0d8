"""The chart as `helm template` renders it."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "helm" / "likewise"
Object = dict[str, Any]


class RefusedError(AssertionError):
    """Helm would not render the chart; the text is what it said."""


def render(*args: str, **values: object) -> list[Object]:
    """All objects of a release `likewise`; values as `{"redis.enabled": False}` by `**`. Raises RefusedError."""
    sets = [part for name, value in values.items() for part in ("--set", f"{name}={_text(value)}")]
    return [found for found in yaml.load_all(rendered(*sets, *args), yaml.CSafeLoader) if found]


@cache
def rendered(*args: str) -> str:
    """What `helm template` prints, once for the same arguments. Raises RefusedError."""
    command = ["helm", "template", "likewise", str(CHART), *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise RefusedError(done.stderr)
    return done.stdout


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).replace(",", "\\,")


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
