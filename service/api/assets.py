"""Serve the files of `static/`, and `/like-button.js` to pages of any origin."""

from functools import lru_cache
from pathlib import Path

from flask import Response, request

_STATIC = Path(__file__).parent.parent / "static"


def like_button() -> Response:
    """Return the button's script. Any page may read it: it holds no personal data, and a module needs CORS."""
    response = static_file("like-button.js", "text/javascript")
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def static_file(name: str, mimetype: str) -> Response:
    """Return a file of `static/`, cacheable for an hour. Its ETag is a hash of its bytes, the same in every pod."""
    response = Response(_content(name), mimetype=mimetype)
    response.headers["Cache-Control"] = "public, max-age=3600"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.add_etag()
    return response.make_conditional(request)  # type: ignore[return-value]


@lru_cache
def _content(name: str) -> bytes:
    return (_STATIC / name).read_bytes()
