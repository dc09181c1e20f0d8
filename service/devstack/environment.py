"""Derive the settings of a local stack, and the environment that passes them to its processes."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

from service.devstack.processes import HOST
from service.devstack.state import StateDir, write_private
from service.settings import Settings

# A site's developer serves pages on any port of this machine.
_LOCAL_PAGES = ("http://localhost:*", "http://127.0.0.1:*")


def effective_settings(
    settings: Settings, state: StateDir, redis_urls: Sequence[str], databases: Sequence[str]
) -> Settings:
    """Return the given settings, with the values of this stack in place of defaults.

    `redis_urls` and `databases` are the addresses of the stack's own servers. They are empty if the settings name
    other servers.
    """
    changes: dict[str, object] = {
        "state_dir": state.path,
        "demo": True,
        "sites": [*settings.sites, *_LOCAL_PAGES],
        # All visitors of a load test come from one address.
        "unlimited_networks": [*settings.unlimited_networks, f"{HOST}/32"],
    }
    if redis_urls:
        changes["redis_urls"] = list(redis_urls)
    if databases:
        changes["shard_map"] = _shard_map(databases, settings.shards)
    if not settings.secret.get_secret_value():
        changes["secret"] = SecretStr(state.secret())
    return settings.model_copy(update=changes)


def environment(settings: Settings, file: Path) -> dict[str, str]:
    """Return the environment of the children, and write our part of it to `file` for other commands."""
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
