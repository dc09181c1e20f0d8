"""A signed token for each visitor of a run, made before the first like is sent."""

import os
from collections.abc import Callable

from service.auth.visitor_token import ID_BYTES, TOKEN_CHARS, mint

_CHUNK = 5_000  # random bytes are asked for so many at once; then progress is told


def sign(secret: bytes, count: int, on_progress: Callable[[int], None] = lambda done: None) -> bytearray:
    """The tokens of `count` visitors, one after another: each has TOKEN_CHARS bytes."""
    tokens = bytearray()
    for first in range(0, count, _CHUNK):
        size = min(_CHUNK, count - first)
        ids = os.urandom(size * ID_BYTES)
        made = (mint(secret, ids[at : at + ID_BYTES]) for at in range(0, len(ids), ID_BYTES))
        tokens += "".join(made).encode()
        on_progress(first + size)
    assert len(tokens) == count * TOKEN_CHARS
    return tokens
