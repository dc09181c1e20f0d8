"""Define the reusable parts of the OpenAPI document: schemas, parameters, headers and problems."""

from typing import Any

from service.api.http.problems import TYPE_PREFIX
from service.auth.identity import ACTOR_HEADER
from service.auth.visitor_token import MAX_NONCE_CHARS, MIN_NONCE_CHARS, NONCE_HEADER, VISITOR_HEADER
from service.core.likes import MAX_ID_BYTES

Node = dict[str, Any]

PROBLEMS = {
    400: "A field is not valid. The problem names it.",
    401: "The token or key is not valid. Nothing was changed.",
    403: "This page, key or form may not do this. Nothing was changed.",
    404: "There is no resource at this path.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    429: "The rate limit of this actor or network is exceeded. Taking a like back is not limited.",
    503: "A required part is unavailable. Try again.",
}

# Neither "." nor "..".
_SEGMENT = r"(\.{0,2}[A-Za-z0-9_:~-][A-Za-z0-9._:~-]*|\.{3}[A-Za-z0-9._:~-]*)"
POST: Node = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_ID_BYTES,
    "pattern": f"^{_SEGMENT}(/{_SEGMENT})*$",
    "description": "An id of your choice. Slashes may be sent plain or as %2F.",
    "examples": ["blog/2026/hello-world"],
}
_COUNTED: Node = {
    "post": {"type": "string"},
    "count": {"type": "integer", "minimum": 0},
    "display": {
        "type": "string",
        "description": "The count for readers, such as 2.1K. It is cut off, never rounded up.",
    },
    "approximate": {
        "type": "boolean",
        "description": "The count may still be corrected, because a database is unavailable.",
    },
    "as_of": {
        "type": "string",
        "format": "date-time",
        "description": "UTC, with microseconds. Of two responses about a post, the one with the later time is current.",
    },
}
_LIKED: Node = {
    "liked": {"type": "boolean", "description": "Whether the actor likes the post. False without credentials."}
}
_EXAMPLE = {
    "post": "blog/2026/hello-world",
    "count": 2199,
    "display": "2.1K",
    "approximate": False,
    "as_of": "2026-11-21T14:03:07.000123Z",
}


def obj(properties: Node, example: Node, required: list[str] | None = None) -> Node:
    """Return an object schema with an example. All properties are required if `required` is None."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "examples": [example],
    }


def problem_schema() -> Node:
    """Return the schema of a problem: RFC 9457 with this service's extension members."""
    properties: Node = {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What is wrong, and how to correct it."},
        "field": {"type": "string", "description": "The field of the request that is wrong."},
        "part": {"type": "string", "description": "The part of Likewise that is unavailable."},
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
    "description": "For each part, one sentence about each failure.",
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
    "LegacyLike": obj(
        _COUNTED | _LIKED | {"likes": {"type": "integer", "minimum": 0, "description": "The same as `count`."}},
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
    "description": "The language of `display`. It overrides Accept-Language. English if it is unknown.",
}
IDENTITY_HEADERS: list[Node] = [
    {
        "name": VISITOR_HEADER,
        "in": "header",
        "schema": {"type": "string"},
        "description": "The visitor's token, for clients without cookies. Another site's token is refused.",
    },
    {
        "name": ACTOR_HEADER,
        "in": "header",
        "schema": {"type": "string"},
        "description": "The user for whom an API key with the scope `like` likes: the `sub` of the user's JWT.",
    },
]
FIRST_LIKE: Node = {
    "name": NONCE_HEADER,
    "in": "header",
    "schema": {"type": "string", "minLength": MIN_NONCE_CHARS, "maxLength": MAX_NONCE_CHARS},
    "description": "A random text for a first like. A retry with the same text counts for the same new visitor.",
}
NONE_MATCH: Node = {
    "name": "If-None-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "The ETag of a stored response. The answer is 304 if the counts are the same.",
}


def in_path(name: str) -> Node:
    """Return the post as a parameter of the path."""
    return {"name": name, "in": "path", "required": True, "schema": POST}


def in_query(name: str, schema: Node, required: bool, example: object) -> Node:
    """Return a parameter of the query."""
    return {"name": name, "in": "query", "required": required, "schema": schema, "example": example}
