"""The key of an actor: 16 bytes that stand for its name in Postgres. Redis, the stream and the API use the name.

A visitor's name is its key in base64url, so one gives the other. The key of any other actor, such as a user, is a hash
of its name, and the table `actors` holds the name. The SQL function `actor_key` computes the same keys.
"""

import struct
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from psycopg import postgres
from psycopg.adapt import Dumper
from psycopg.pq import Format

_KEY_BYTES = 16
_VISITOR_CHARS = 22
# The last character holds two bits of the key and four that base64 leaves unused. Were they not zero, sixteen names
# would have one key.
_LAST_CHARS = frozenset("AQgw")
_LENGTH = struct.pack("!i", _KEY_BYTES)
_NULL = struct.pack("!i", -1)
_FROM_URLSAFE = bytes.maketrans(b"-_+/", b"+/..")


def actor_key(name: str) -> bytes:
    """Return the key of an actor."""
    return visitor_key(name) or name_hash(name)


def visitor_key(name: str) -> bytes | None:
    """Return the key of a visitor. None if the name cannot be computed from a key."""
    if len(name) != _VISITOR_CHARS or name[-1] not in _LAST_CHARS:
        return None
    try:
        return a2b_base64(name.encode().translate(_FROM_URLSAFE) + b"==", strict_mode=True)
    except Base64Error:
        return None


def name_hash(name: str) -> bytes:
    """Return the key of an actor who is no visitor."""
    return sha256(name.encode()).digest()[:_KEY_BYTES]


@dataclass(frozen=True, slots=True)
class ActorKeys:
    """The keys of actors, in order, as a parameter of type uuid[]. None for nobody."""

    keys: Sequence[bytes | None]


class ActorKeysDumper(Dumper):
    """Writes ActorKeys in the binary format of an array. psycopg's own dumper needs a UUID object for each key."""

    format = Format.BINARY
    oid = postgres.types["uuid"].array_oid

    def dump(self, obj: Any) -> bytes:
        """Return the array: its dimensions, and for each element its length and bytes. NULL has the length -1."""
        head = struct.pack("!iiIii", 1, 1, postgres.types["uuid"].oid, len(obj.keys), 1)
        return head + b"".join(_NULL if key is None else _LENGTH + key for key in obj.keys)
