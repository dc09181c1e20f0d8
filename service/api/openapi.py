"""Serve `/openapi.json`: the API in OpenAPI 3.1, with its problems and examples."""

import json
from functools import lru_cache

from flask import Response

from service.api.http.rendering import SHARED
from service.api.legacy import MAX_SEED
from service.api.schemas import (
    FIRST_LIKE,
    IDENTITY_HEADERS,
    LOCALE,
    NONE_MATCH,
    POST,
    PROBLEMS,
    SCHEMAS,
    Node,
    in_path,
    in_query,
)
from service.auth.identity import VISITOR_COOKIE
from service.auth.visitor_token import VISITOR_HEADER
from service.core.likes import MAX_POSTS

_TEXT: Node = {"schema": {"type": "string"}}
_RETRY: Node = {
    "Retry-After": {
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
        "description": "Seconds until the next attempt.",
    }
}
_LIMITS: Node = {"RateLimit": _TEXT, "RateLimit-Policy": _TEXT}
_NEW_VISITOR: Node = {
    VISITOR_HEADER: _TEXT
    | {"description": f"The token of a new visitor. The cookie `{VISITOR_COOKIE}` also holds it."},
    **_LIMITS,
}
_CACHED: Node = {"ETag": {"required": True, **_TEXT}, "Cache-Control": {"required": True, **_TEXT}}
_SEED: Node = {"type": "integer", "minimum": 0, "maximum": MAX_SEED}
_POSTS: Node = {"type": "array", "items": POST, "minItems": 1, "maxItems": MAX_POSTS}
_SEED_NOTE = "The first access with an API key of the scope `seed` sets the count to `likes`. Others cannot set it."


def openapi() -> Response:
    """Return the document."""
    response = Response(_text(), mimetype="application/json")
    response.headers["Cache-Control"] = SHARED[1]
    return response


@lru_cache(maxsize=1)
def _text() -> str:
    return json.dumps(document(), ensure_ascii=False)


def document() -> Node:
    """Make the document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Likewise",
            "version": "1",
            "summary": "Likes. Each person counts once.",
            "description": "Every error is an RFC 9457 problem that says what is wrong and how to correct it.",
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"visitor": []}, {"user": []}, {"server": []}],
        "paths": {**_likes(), **_counts(), **_legacy(), **_service()},
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "visitor": {"type": "apiKey", "in": "cookie", "name": VISITOR_COOKIE},
                "user": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "server": {"type": "http", "scheme": "bearer", "description": "An API key, `lk_...`."},
            },
        },
    }


def _likes() -> Node:
    like = _ok("The actor's like and the count.", "Like")
    new_visitor = (
        _ok("The actor had liked the post before.", "Like", _NEW_VISITOR),
        _ok("The like is new.", "Like", _NEW_VISITOR),
    )
    path = {"parameters": [in_path("post"), *IDENTITY_HEADERS, LOCALE]}
    put = {"200": new_visitor[0], "201": new_visitor[1], **_problems(400, 401, 403, 404, 413, 429, 503)}
    wrong = _problems(400, 401, 403, 404, 413, 503)
    page = [in_query("post", _POSTS, True, ["a", "b"]) | {"style": "form", "explode": True}, *IDENTITY_HEADERS, LOCALE]
    return {
        "/v1/posts/{post}/like": path
        | {
            "put": _operation("like", "Like a post", put) | {"parameters": [FIRST_LIKE]},
            "delete": _operation("unlike", "Take a like back", {"200": like, **wrong}),
            "get": _operation("liked", "Read the actor's like", {"200": like, **wrong}),
        },
        "/v1/likes": {
            "parameters": page,
            "get": _operation(
                "likes",
                f"Read the actor's likes of 1 to {MAX_POSTS} posts",
                {"200": _ok("The likes, in the order of the posts.", "Likes"), **wrong},
            ),
        },
    }


def _counts() -> Node:
    def answers(schema: str) -> Node:
        kept = {"304": {"description": "The counts have not changed since the ETag.", "headers": _CACHED}}
        return {
            "200": _ok("The count. Caches may keep it for one second.", schema, _CACHED),
            **kept,
            **_problems(400, 404, 413, 503),
        }

    posts = in_query("post", _POSTS, True, ["a", "b"]) | {"style": "form", "explode": True}
    return {
        "/v1/posts/{post}/count": {
            "parameters": [in_path("post"), LOCALE, NONE_MATCH],
            "get": _operation("count", "Read a post's count", answers("Count")),
        },
        "/v1/counts": {
            "parameters": [posts, LOCALE, NONE_MATCH],
            "get": _operation("counts", f"Read the counts of 1 to {MAX_POSTS} posts", answers("Counts")),
        },
    }


def _legacy() -> Node:
    new_visitor = _ok("The actor's like and the count.", "LegacyLike", _NEW_VISITOR)
    toggled = {"200": new_visitor, **_problems(400, 401, 403, 404, 413, 429, 503)}
    chosen = {"200": new_visitor, **_problems(400, 401, 403, 404, 413, 415, 429, 503)}
    read = {"200": _ok("The count.", "LegacyLike"), **_problems(400, 401, 403, 404, 413, 503)}
    query = [in_query("slug", POST, True, "hello-world"), in_query("likes", _SEED, False, 120)]
    return {
        "/api/like/{postId}": {
            "parameters": [in_path("postId"), *IDENTITY_HEADERS, LOCALE],
            "post": _operation("toggle", "Toggle a like", toggled),
        },
        "/api/likes": {
            "parameters": [*IDENTITY_HEADERS, LOCALE],
            "get": _operation("bySlug", "Read the likes of a slug", read)
            | {"description": _SEED_NOTE, "parameters": query},
            "post": _operation("likeBySlug", "Like or unlike a slug", chosen)
            | {"description": _SEED_NOTE, "requestBody": _slug_body()},
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
    ready = {"200": _ok("The pod accepts likes.", "Ready"), **_problems(413, 503)}
    described = {"description": "This document.", "content": {"application/json": {"schema": {"type": "object"}}}}
    return {
        "/livez": {
            "get": _operation(
                "livez", "Check that the process runs", {"200": _ok("It runs.", "Live"), **_problems(413)}
            )
        },
        "/readyz": {"get": _operation("readyz", "Check that the pod accepts likes", ready)},
        "/openapi.json": {
            "get": _operation("openapi", "Read this document", {"200": described, **_problems(413)}),
        },
    }


def _operation(operation: str, summary: str, responses: Node) -> Node:
    return {"operationId": operation, "summary": summary, "responses": responses}


def _ok(description: str, schema: str, headers: Node | None = None) -> Node:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content, "headers": headers or {}}


def _problems(*statuses: int) -> Node:
    return {str(status): _problem(status) for status in statuses}


def _problem(status: int) -> Node:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    headers = {429: _RETRY | _LIMITS, 503: _RETRY}.get(status, {})
    return {"description": PROBLEMS[status], "content": content, "headers": headers}
