"""Sign a token for each visitor of a run, before the first like is sent."""

import os
from collections.abc import Callable

from service.auth.visitor_token import ID_BYTES, TOKEN_CHARS, mint

# Progress is reported after each chunk.
_CHUNK = 5_000


def sign(secret: bytes, count: int, on_progress: Callable[[int], None] = lambda done: None) -> bytearray:
    """Return the tokens of `count` visitors, one after another, TOKEN_CHARS bytes each."""
    tokens = bytearray()
    for first in range(0, count, _CHUNK):
        size = min(_CHUNK, count - first)
        ids = os.urandom(size * ID_BYTES)
        signed = (mint(secret, ids[at : at + ID_BYTES]) for at in range(0, len(ids), ID_BYTES))
        tokens += "".join(signed).encode()
        on_progress(first + size)
    assert len(tokens) == count * TOKEN_CHARS
    return tokens
