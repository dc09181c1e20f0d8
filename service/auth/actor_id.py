"""Make the actor id of a user from the id that the issuer gave."""

import unicodedata

# The limit of `service.core.likes`.
MAX_ACTOR_CHARS = 200
# A visitor's id holds no colon, so a user and a visitor never share an actor id.
_PREFIX = "user:"
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-")
# Control characters, and halves of surrogate pairs, which UTF-8 cannot encode.
_REFUSED_CATEGORIES = ("Cc", "Cs")


def actor_of_user(sub: str) -> str:
    """Return `user:` + `sub`, with each character outside [A-Za-z0-9._:-] as ~XX for each byte of its UTF-8.

    Two users never share an actor id, and it is always a valid id. Raises ValueError if `sub` is empty, holds a control
    character, or would make an id of more than 200 characters.
    """
    if not sub:
        raise ValueError("the user's id is empty")
    # Enough to see that it is too long.
    head = sub[:MAX_ACTOR_CHARS]
    if any(unicodedata.category(char) in _REFUSED_CATEGORIES for char in head):
        raise ValueError("the user's id holds a control character")
    actor = _PREFIX + "".join(char if char in _PLAIN else _escaped(char) for char in head)
    if len(actor) > MAX_ACTOR_CHARS:
        raise ValueError(f"the user's id is too long: the actor id would have more than {MAX_ACTOR_CHARS} characters")
    return actor


def _escaped(char: str) -> str:
    return "".join(f"~{byte:02X}" for byte in char.encode())
