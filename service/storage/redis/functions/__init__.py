"""The Redis functions. Their names contain the hash of the source, so pods of two releases can run side by side."""

import hashlib
from importlib.resources import files

_TEMPLATE = files(__package__).joinpath("likes.lua").read_text("utf-8")
VERSION = hashlib.sha256(_TEMPLATE.encode()).hexdigest()[:8]
SOURCE = _TEMPLATE.replace("@VERSION@", VERSION)


def name_of(function: str) -> str:
    """Return the registered name of a function of likes.lua, for example of `set_like`."""
    return f"lw_{function}_{VERSION}"
