"""Keys of servers, `lk_NAME_SECRET`. Likewise knows their SHA-256 only.

A plain SHA-256 is right here: a key holds 256 random bits, so nobody finds it by trying, however fast the hash is.
Slow hashes are for passwords, which people choose.
"""

import re
import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from service.errors import ConfigurationError, InvalidCredentialError

SCOPES: Final = ("like", "seed", "admin")  # like for an actor; give a post its first count; everything
MAX_KEY_CHARS = 128  # the longest name gives 87
KEYS_OF_A_NAME = 2  # the old and the new one, while a server is given the new one
_PREFIX = "lk_"
_NAME = re.compile(r"[a-z0-9-]{1,40}")
_HASH = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Whose key it is and what it may do."""

    name: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether this key may do what `scope` stands for; admin may everything."""
        return scope in self.scopes or "admin" in self.scopes


class ApiKeys:
    """The keys that count. ConfigurationError names the entry that is wrong, never what it holds."""

    def __init__(self, entries: Sequence[str]) -> None:
        self._keys: dict[bytes, ApiKey] = {}
        for place, entry in enumerate(entries, 1):
            digest, key = _parsed(entry, place)
            if known := self._keys.get(digest):
                raise _wrong(f"{key.name} is given the same key as {known.name}; remove one of the two entries")
            self._keys[digest] = key
        for name, count in Counter(key.name for key in self._keys.values()).items():
            if count > KEYS_OF_A_NAME:
                raise _wrong(f"{name} has {count} keys; {KEYS_OF_A_NAME} count at a time, remove the oldest")

    def find(self, key: str) -> ApiKey:
        """Whose key it is. InvalidCredentialError where it is nobody's.

        A dictionary does: it compares digests, and who can't find a preimage of SHA-256 can't choose them, so the
        time that a comparison takes says nothing about any key.
        """
        known = None
        if len(key) <= MAX_KEY_CHARS and key.isascii():
            known = self._keys.get(sha256(key.encode()).digest())
        if known is None:
            raise InvalidCredentialError("The API key is not known here")
        return known


def is_key(text: str) -> bool:
    """Whether a credential is meant as an API key, and not as a user's token."""
    return text.startswith(_PREFIX)


def new_key(name: str, scopes: Iterable[str]) -> tuple[str, str]:
    """A new key, and its entry for LIKEWISE_API_KEYS. ValueError with a sentence for a bad name or scope."""
    chosen = set(scopes)
    if not _NAME.fullmatch(name):
        raise ValueError("a key's name is 1 to 40 of a-z 0-9 -")
    if not chosen or not chosen.issubset(SCOPES):
        raise ValueError(f"a key has one or more of the scopes {', '.join(SCOPES)}")
    key = f"{_PREFIX}{name}_{secrets.token_urlsafe(32)}"
    return key, f"{name}:{'+'.join(sorted(chosen, key=SCOPES.index))}:{sha256(key.encode()).hexdigest()}"


def _parsed(entry: str, place: int) -> tuple[bytes, ApiKey]:
    name, *rest = entry.split(":")
    if not _NAME.fullmatch(name):
        raise _wrong(f"entry {place} does not begin with a name, 1 to 40 of a-z 0-9 -")
    if len(rest) != 2:
        raise _wrong(f"{name} is not of the form NAME:SCOPE+SCOPE:SHA256, as `likewise key new` prints it")
    scopes = frozenset(rest[0].split("+"))
    if not scopes.issubset(SCOPES):
        raise _wrong(f"{name} has an unknown scope; there are {', '.join(SCOPES)}")
    if not _HASH.fullmatch(rest[1]):
        raise _wrong(f"{name} has no SHA-256 of 64 hexadecimal digits at its end; never put the key itself there")
    return bytes.fromhex(rest[1]), ApiKey(name, scopes)


def _wrong(what: str) -> ConfigurationError:
    return ConfigurationError(f"LIKEWISE_API_KEYS: {what}")
