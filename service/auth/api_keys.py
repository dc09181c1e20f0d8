"""Check API keys of servers, `lk_NAME_SECRET`. Likewise stores their SHA-256 only.

A plain SHA-256 is sufficient: a key holds 256 random bits, so it cannot be found by trying, however fast the hash is.
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

# like: act for users. seed: set a post's first count. admin: everything.
SCOPES: Final = ("like", "seed", "admin")
# A key with the longest name has 87.
MAX_KEY_CHARS = 128
# The old and the new key, while a server is given the new one.
MAX_KEYS_PER_NAME = 2
_PREFIX = "lk_"
_NAME = re.compile(r"[a-z0-9-]{1,40}")
_HASH = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The name of a key's owner, and the key's scopes."""

    name: str
    scopes: frozenset[str]

    def has_scope(self, scope: str) -> bool:
        """Return whether the key has the scope. The scope `admin` includes all others."""
        return scope in self.scopes or "admin" in self.scopes


class ApiKeys:
    """The valid keys. Raises ConfigurationError that names the wrong entry, but not its content."""

    def __init__(self, entries: Sequence[str]) -> None:
        self._keys: dict[bytes, ApiKey] = {}
        for number, entry in enumerate(entries, 1):
            digest, key = _parsed(entry, number)
            if known := self._keys.get(digest):
                raise _error(f"{key.name} has the same key as {known.name}. Remove one of the two entries")
            self._keys[digest] = key
        for name, count in Counter(key.name for key in self._keys.values()).items():
            if count > MAX_KEYS_PER_NAME:
                raise _error(f"{name} has {count} keys; {MAX_KEYS_PER_NAME} is the maximum. Remove the oldest")

    def find(self, key: str) -> ApiKey:
        """Return the entry of a key. Raise InvalidCredentialError if the key is unknown.

        A dictionary is safe here. It compares digests, and nobody can choose a digest without a preimage of SHA-256, so
        the time of a comparison reveals nothing about any key.
        """
        known = None
        if len(key) <= MAX_KEY_CHARS and key.isascii():
            known = self._keys.get(sha256(key.encode()).digest())
        if known is None:
            raise InvalidCredentialError("The API key is unknown.")
        return known


def is_api_key(text: str) -> bool:
    """Return whether a bearer credential has the form of an API key, and not of a user's token."""
    return text.startswith(_PREFIX)


def new_key(name: str, scopes: Iterable[str]) -> tuple[str, str]:
    """Make a key. Return it and its entry for LIKEWISE_API_KEYS. Raise ValueError for a bad name or scope."""
    chosen = set(scopes)
    if not _NAME.fullmatch(name):
        raise ValueError("a key's name is 1 to 40 of a-z 0-9 -")
    if not chosen or not chosen.issubset(SCOPES):
        raise ValueError(f"a key has one or more of the scopes {', '.join(SCOPES)}")
    key = f"{_PREFIX}{name}_{secrets.token_urlsafe(32)}"
    return key, f"{name}:{'+'.join(sorted(chosen, key=SCOPES.index))}:{sha256(key.encode()).hexdigest()}"


def _parsed(entry: str, number: int) -> tuple[bytes, ApiKey]:
    name, *rest = entry.split(":")
    if not _NAME.fullmatch(name):
        raise _error(f"entry {number} does not begin with a name, 1 to 40 of a-z 0-9 -")
    if len(rest) != 2:
        raise _error(f"{name} is not of the form NAME:SCOPE+SCOPE:SHA256, as `likewise key new` prints it")
    scopes = frozenset(rest[0].split("+"))
    if not scopes.issubset(SCOPES):
        raise _error(f"{name} has an unknown scope; the scopes are {', '.join(SCOPES)}")
    if not _HASH.fullmatch(rest[1]):
        raise _error(f"{name} does not end with a SHA-256 of 64 hexadecimal digits. Never put the key itself there")
    return bytes.fromhex(rest[1]), ApiKey(name, scopes)


def _error(reason: str) -> ConfigurationError:
    return ConfigurationError(f"LIKEWISE_API_KEYS: {reason}.")
