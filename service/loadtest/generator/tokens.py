"""Sign a token for each visitor of a run, before the first like is sent."""

from collections.abc import Callable

from service.auth.visitor_token import TOKEN_CHARS, VisitorKeys

# Progress is reported after each chunk.
_CHUNK = 5_000


def sign(keys: VisitorKeys, count: int, on_progress: Callable[[int], None] = lambda done: None) -> bytearray:
    """Return the tokens of `count` visitors, one after another, TOKEN_CHARS bytes each."""
    tokens = bytearray()
    for first in range(0, count, _CHUNK):
        size = min(_CHUNK, count - first)
        tokens += "".join([keys.mint() for _ in range(size)]).encode()
        on_progress(first + size)
    assert len(tokens) == count * TOKEN_CHARS
    return tokens
