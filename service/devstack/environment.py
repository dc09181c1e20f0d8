"""The settings of a local stack, and the environment by which its processes get them."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

from service.devstack.processes import HOST
from service.devstack.state import StateDir, write_private
from service.settings import Settings

_PAGES_OF_THIS_MACHINE = ("http://localhost:*", "http://127.0.0.1:*")  # whatever a site's developer runs here


def effective_settings(
    settings: Settings, state: StateDir, redis_urls: Sequence[str], databases: Sequence[str]
) -> Settings:
    """The given settings with what is true of this stack in place of the defaults.

    `redis_urls` and `databases` are the addresses of its own servers, none where they were given.
    """
    changes: dict[str, object] = {
        "state_dir": state.path,
        "demo": True,
        "sites": [*settings.sites, *_PAGES_OF_THIS_MACHINE],
        "unlimited_networks": [*settings.unlimited_networks, f"{HOST}/32"],  # a drill is a crowd at one address
    }
    if redis_urls:
        changes["redis_urls"] = list(redis_urls)
    if databases:
        changes["shard_map"] = _shard_map(databases, settings.shards)
    if not settings.secret.get_secret_value():
        changes["secret"] = SecretStr(state.secret())
    return settings.model_copy(update=changes)


def environment(settings: Settings, file: Path) -> dict[str, str]:
    """What the children run with; what is ours of it is left in `file`, for other commands on this stack."""
    values = {name: getattr(settings, name) for name in sorted(settings.model_fields_set)}
    ours = {f"LIKEWISE_{name.upper()}": _text(value) for name, value in values.items() if value is not None}
    write_private(file, "".join(f"export {name}={shlex.quote(value)}\n" for name, value in ours.items()))
    return {**os.environ, **ours, "PYTHONUNBUFFERED": "1"}


def _shard_map(databases: Sequence[str], shards: int) -> str:
    share = shards // len(databases)
    return " ".join(f"{share * at}-{share * (at + 1) - 1}={url}" for at, url in enumerate(databases))


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
