"""The actor of a user: the id that the issuer gave, written in the characters of an actor."""

import unicodedata

MAX_ACTOR_CHARS = 200  # what service.core.likes takes
_PREFIX = "user:"  # a visitor's id holds no colon, so no user is ever taken for a visitor
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-")
_UNWRITABLE = ("Cc", "Cs")  # control characters, and halves of surrogate pairs, which UTF-8 can't write


def actor_of_user(sub: str) -> str:
    """`user:` + `sub`, each character outside [A-Za-z0-9._:-] as ~XX per byte of UTF-8.

    Two users never share an actor, and it is always a valid id. ValueError with a sentence where there is none: an
    empty `sub`, one with control characters, or one that would pass 200 characters.
    """
    if not sub:
        raise ValueError("the user's id is empty")
    head = sub[:MAX_ACTOR_CHARS]  # enough to see that it is too long
    if any(unicodedata.category(char) in _UNWRITABLE for char in head):
        raise ValueError("the user's id holds a control character")
    actor = _PREFIX + "".join(char if char in _PLAIN else _escaped(char) for char in head)
    if len(actor) > MAX_ACTOR_CHARS:
        raise ValueError(f"the user's id is too long: as an actor it would pass {MAX_ACTOR_CHARS} characters")
    return actor


def _escaped(char: str) -> str:
    return "".join(f"~{byte:02X}" for byte in char.encode())
