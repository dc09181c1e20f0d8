"""`/like-button.js`: the button, for pages of any origin."""

from functools import lru_cache
from pathlib import Path

from flask import Response, request

_STATIC = Path(__file__).parent.parent / "static"


def like_button() -> Response:
    """The script. It holds no one's data, so any page may read it; as a module it could not be used otherwise."""
    response = of_file("like-button.js", "text/javascript")
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def of_file(name: str, mimetype: str) -> Response:
    """A file of `static/`, kept for an hour; its ETag is of its bytes, so that every pod gives the same."""
    response = Response(_content(name), mimetype=mimetype)
    response.headers["Cache-Control"] = "public, max-age=3600"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.add_etag()
    return response.make_conditional(request)  # type: ignore[return-value]


@lru_cache
def _content(name: str) -> bytes:
    return (_STATIC / name).read_bytes()
