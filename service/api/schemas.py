"""The reusable parts of the OpenAPI document: schemas, parameters, headers and problems."""

from typing import Any

from service.api.http.problems import TYPE_PREFIX
from service.auth.identity import ACTOR_HEADER, MAX_NONCE_CHARS, MIN_NONCE_CHARS, NONCE_HEADER
from service.auth.visitor_token import HEADER
from service.core.likes import MAX_ID_BYTES

Node = dict[str, Any]

_SEGMENT = r"(\.{0,2}[A-Za-z0-9_:~-][A-Za-z0-9._:~-]*|\.{3}[A-Za-z0-9._:~-]*)"  # neither "." nor ".."
POST: Node = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_ID_BYTES,
    "pattern": f"^{_SEGMENT}(/{_SEGMENT})*$",
    "description": "Opaque to Likewise. Slashes may be sent plain or as %2F.",
    "examples": ["blog/2026/hello-world"],
}
_COUNTED: Node = {
    "post": {"type": "string"},
    "count": {"type": "integer", "minimum": 0},
    "display": {
        "type": "string",
        "description": "The count as people read it, cut off, never rounded up.",
    },
    "approximate": {
        "type": "boolean",
        "description": "The count may still correct itself: a database is away.",
    },
    "as_of": {
        "type": "string",
        "format": "date-time",
        "description": "UTC, with µs. Of two answers about a post the later one holds.",
    },
}
_LIKED: Node = {"liked": {"type": "boolean", "description": "The viewer's own; false for a stranger."}}
_EXAMPLE = {
    "post": "blog/2026/hello-world",
    "count": 2199,
    "display": "2.1K",
    "approximate": False,
    "as_of": "2026-11-21T14:03:07.000123Z",
}


def obj(properties: Node, example: Node, required: list[str] | None = None) -> Node:
    """An object schema with an example; everything is required unless said otherwise."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "examples": [example],
    }


def problem_schema() -> Node:
    """RFC 9457, with the fields of ours."""
    properties: Node = {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What is wrong, and what would be right."},
        "field": {"type": "string", "description": "The field of the request that is wrong."},
        "part": {"type": "string", "description": "The part of Likewise that does not answer."},
        "failing": {"type": "array", "items": {"type": "string"}},
        "parts": PARTS,
    }
    example = {
        "type": TYPE_PREFIX + "invalid-input",
        "title": "A field is not valid",
        "status": 400,
        "detail": "post is empty; give 1 to 200 characters",
        "field": "post",
    }
    return obj(properties, example, ["type", "title", "status", "detail"])


PARTS: Node = {
    "type": "object",
    "additionalProperties": {"type": "array", "items": {"type": "string"}},
    "description": "Of each part what does not answer, a sentence each.",
}

SCHEMAS: Node = {
    "Count": obj(_COUNTED, _EXAMPLE),
    "Counts": obj(
        {"counts": {"type": "array", "items": {"$ref": "#/components/schemas/Count"}}}, {"counts": [_EXAMPLE]}
    ),
    "Like": obj(_COUNTED | _LIKED, _EXAMPLE | {"liked": True}),
    "Likes": obj(
        {"likes": {"type": "array", "items": {"$ref": "#/components/schemas/Like"}}},
        {"likes": [_EXAMPLE | {"liked": True}]},
    ),
    "OlderLike": obj(
        _COUNTED | _LIKED | {"likes": {"type": "integer", "minimum": 0, "description": "The same as count."}},
        _EXAMPLE | {"liked": True, "likes": 2199},
    ),
    "Live": obj({"status": {"const": "ok"}}, {"status": "ok"}),
    "Ready": obj(
        {
            "status": {"enum": ["ready", "degraded"]},
            "failing": {"type": "array", "items": {"type": "string"}},
            "parts": PARTS,
        },
        {"status": "ready", "failing": [], "parts": {"redis": [], "postgres": []}},
    ),
    "Problem": problem_schema(),
}

LOCALE: Node = {
    "name": "locale",
    "in": "query",
    "schema": {"type": "string"},
    "example": "de-CH",
    "description": "The language of `display`, before Accept-Language; English where it is unknown.",
}
WHO: list[Node] = [
    {
        "name": HEADER,
        "in": "header",
        "schema": {"type": "string"},
        "description": "A visitor's token, where no cookie is kept. One that is not ours for this site is refused.",
    },
    {
        "name": ACTOR_HEADER,
        "in": "header",
        "schema": {"type": "string"},
        "description": "The user that an API key with the scope `like` likes for: what a JWT has as `sub`.",
    },
]
FIRST: Node = {
    "name": NONCE_HEADER,
    "in": "header",
    "schema": {"type": "string", "minLength": MIN_NONCE_CHARS, "maxLength": MAX_NONCE_CHARS},
    "description": "Random, of a first like: sent again with it, the like is the same new visitor's.",
}
NONE_MATCH: Node = {
    "name": "If-None-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "The ETag of an answer kept; 304 where the counts are the same.",
}


def in_path(name: str) -> Node:
    """The post, as a part of the path."""
    return {"name": name, "in": "path", "required": True, "schema": POST}


def in_query(name: str, schema: Node, required: bool, example: object) -> Node:
    """A parameter of the query."""
    return {"name": name, "in": "query", "required": required, "schema": schema, "example": example}
