"""`/openapi.json`: the API described in OpenAPI 3.1, problems and examples included."""

import json
from functools import lru_cache

from flask import Response

from service.api.http.responses import SHARED
from service.api.legacy import MAX_SEED
from service.api.schemas import (
    FIRST,
    LOCALE,
    NONE_MATCH,
    POST,
    SCHEMAS,
    WHO,
    Node,
    in_path,
    in_query,
)
from service.auth.identity import COOKIE
from service.auth.visitor_token import HEADER
from service.core.likes import MAX_POSTS

_PROBLEMS = {
    400: "A field is not valid; the problem names it.",
    401: "The token or key is not valid; nothing was changed.",
    403: "This page, key or form may not do this; nothing was changed.",
    404: "Nothing is at this path.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    429: "Too much at a time for this actor or network; taking a like back is never too much.",
    503: "A part that is needed does not answer; ask again.",
}
_TEXT: Node = {"schema": {"type": "string"}}
_WAIT: Node = {
    "Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}, "description": "Seconds."}
}
_LIMITS: Node = {"RateLimit": _TEXT, "RateLimit-Policy": _TEXT}
_MINTED: Node = {
    HEADER: _TEXT | {"description": f"A new visitor's token, also in the cookie `{COOKIE}`."},
    **_LIMITS,
}
_CACHED: Node = {"ETag": {"required": True, **_TEXT}, "Cache-Control": {"required": True, **_TEXT}}
_SEED: Node = {"type": "integer", "minimum": 0, "maximum": MAX_SEED}
_POSTS: Node = {"type": "array", "items": POST, "minItems": 1, "maxItems": MAX_POSTS}
_SEEDED = "Starts at `likes` on the first access of a key with the scope `seed`; others' value is passed over."


def openapi() -> Response:
    """The document."""
    response = Response(_text(), mimetype="application/json")
    response.headers["Cache-Control"] = SHARED
    return response


@lru_cache(maxsize=1)
def _text() -> str:
    return json.dumps(document(), ensure_ascii=False)


def document() -> Node:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Likewise",
            "version": "1",
            "summary": "Likes, each person counted once.",
            "description": "Every error is an RFC 9457 problem that names what is wrong and what would be right.",
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"visitor": []}, {"user": []}, {"server": []}],
        "paths": {**_likes(), **_counts(), **_older(), **_service()},
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "visitor": {"type": "apiKey", "in": "cookie", "name": COOKIE},
                "user": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "server": {"type": "http", "scheme": "bearer", "description": "An API key, `lk_...`."},
            },
        },
    }


def _likes() -> Node:
    like = _ok("The viewer's state and the count.", "Like")
    minted = _ok("Liked before.", "Like", _MINTED), _ok("Liked now.", "Like", _MINTED)
    path = {"parameters": [in_path("post"), *WHO, LOCALE]}
    put = {"200": minted[0], "201": minted[1], **_wrong(400, 401, 403, 404, 413, 429, 503)}
    wrong = _wrong(400, 401, 403, 404, 413, 503)
    page = [in_query("post", _POSTS, True, ["a", "b"]) | {"style": "form", "explode": True}, *WHO, LOCALE]
    return {
        "/v1/posts/{post}/like": path
        | {
            "put": _does("like", "Like a post, once", put) | {"parameters": [FIRST]},
            "delete": _does("unlike", "Take a like back", {"200": like, **wrong}),
            "get": _does("liked", "Ask for the viewer's like", {"200": like, **wrong}),
        },
        "/v1/likes": {
            "parameters": page,
            "get": _does(
                "likes",
                f"The viewer's likes of 1 to {MAX_POSTS} posts",
                {"200": _ok("In their order.", "Likes"), **wrong},
            ),
        },
    }


def _counts() -> Node:
    def answers(schema: str) -> Node:
        kept = {"304": {"description": "The counts are those of the ETag.", "headers": _CACHED}}
        return {"200": _ok("Kept for a second.", schema, _CACHED), **kept, **_wrong(400, 404, 413, 503)}

    posts = in_query("post", _POSTS, True, ["a", "b"]) | {"style": "form", "explode": True}
    return {
        "/v1/posts/{post}/count": {
            "parameters": [in_path("post"), LOCALE, NONE_MATCH],
            "get": _does("count", "A post's count", answers("Count")),
        },
        "/v1/counts": {
            "parameters": [posts, LOCALE, NONE_MATCH],
            "get": _does("counts", f"Counts of 1 to {MAX_POSTS} posts", answers("Counts")),
        },
    }


def _older() -> Node:
    minted = _ok("The viewer's state and the count.", "OlderLike", _MINTED)
    toggled = {"200": minted, **_wrong(400, 401, 403, 404, 413, 429, 503)}
    chosen = {"200": minted, **_wrong(400, 401, 403, 404, 413, 415, 429, 503)}
    read = {"200": _ok("The count.", "OlderLike"), **_wrong(400, 401, 403, 404, 413, 503)}
    query = [in_query("slug", POST, True, "hello-world"), in_query("likes", _SEED, False, 120)]
    return {
        "/api/like/{postId}": {
            "parameters": [in_path("postId"), *WHO, LOCALE],
            "post": _does("toggle", "Like, or take the like back", toggled),
        },
        "/api/likes": {
            "parameters": [*WHO, LOCALE],
            "get": _does("bySlug", "Likes of a slug", read) | {"description": _SEEDED, "parameters": query},
            "post": _does("likeBySlug", "Like or unlike a slug", chosen)
            | {"description": _SEEDED, "requestBody": _slug_body()},
        },
    }


def _slug_body() -> Node:
    schema = {
        "type": "object",
        "properties": {
            "slug": POST,
            "action": {"enum": ["like", "unlike"]},
            "likes": _SEED | {"type": ["integer", "null"]},
        },
        "required": ["slug", "action"],
        "examples": [{"slug": "hello-world", "action": "like"}],
    }
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _service() -> Node:
    ready = {"200": _ok("Likes can be taken.", "Ready"), **_wrong(413, 503)}
    described = {"description": "This.", "content": {"application/json": {"schema": {"type": "object"}}}}
    return {
        "/livez": {"get": _does("livez", "The process answers", {"200": _ok("It does.", "Live"), **_wrong(413)})},
        "/readyz": {"get": _does("readyz", "Which part fails", ready)},
        "/openapi.json": {
            "get": _does("openapi", "This document", {"200": described, **_wrong(413)}),
        },
    }


def _does(operation: str, summary: str, responses: Node) -> Node:
    return {"operationId": operation, "summary": summary, "responses": responses}


def _ok(description: str, schema: str, headers: Node | None = None) -> Node:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content, "headers": headers or {}}


def _wrong(*statuses: int) -> Node:
    return {str(status): _problem(status) for status in statuses}


def _problem(status: int) -> Node:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    headers = {429: _WAIT | _LIMITS, 503: _WAIT}.get(status, {})
    return {"description": _PROBLEMS[status], "content": content, "headers": headers}
