"""Build the requests of a run before the clock starts, as NGINX passes on what browsers send."""

from collections.abc import Sequence

from service.auth.visitor_token import TOKEN_CHARS, VisitorKeys
from service.loadtest.generator.tokens import sign
from service.settings import Settings

_BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"
    " Safari/537.36\r\n"
    "Accept: */*\r\nAccept-Language: en-US,en;q=0.9\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
)
_CLIENTS = 65_536


def plain_requests(method: str, path: str, count: int) -> list[bytes]:
    """Return the same request `count` times, each from another client address."""
    return [(_head(method, path, at) + "\r\n").encode() for at in range(count)]


def textbook_requests(path: str, tokens: Sequence[str]) -> list[bytes]:
    """Return a like of each actor for the textbook service, which does not check who the actor is."""
    return [
        f"{_head('PUT', path, at)}Content-Length: 0\r\nX-Actor: {token[2:24]}\r\n\r\n".encode()
        for at, token in enumerate(tokens)
    ]


def like_requests(posts: Sequence[str], tokens: Sequence[str], first: int = 0) -> list[bytes]:
    """Return a like of each visitor, for the posts in turn. `first`: how many were sent before."""
    return [
        f"{_head('PUT', f'/v1/posts/{posts[at % len(posts)]}/like', first + at)}"
        f"Content-Length: 0\r\nLikewise-Visitor: {token}\r\n\r\n".encode()
        for at, token in enumerate(tokens)
    ]


def new_tokens(settings: Settings, count: int) -> list[str]:
    """Return the signed tokens of new visitors."""
    text = sign(VisitorKeys(settings), count).decode()
    return [text[at : at + TOKEN_CHARS] for at in range(0, len(text), TOKEN_CHARS)]


def _head(method: str, path: str, at: int) -> str:
    # The client has one of many addresses, so that the limits of networks are checked and not reached.
    at %= _CLIENTS
    return (
        f"{method} {path} HTTP/1.1\r\nHost: likes.example\r\nX-Forwarded-For: 10.{at >> 8}.{at & 255}.7\r\n"
        f"X-Forwarded-Proto: http\r\n{_BROWSER}"
    )
