"""Keys of actors: the bytes of a visitor's name, else a hash."""

from base64 import urlsafe_b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.auth.visitor_token import mint
from service.storage.postgres.actor_keys import ActorKeys, ActorKeysDumper, actor_key, visitor_key


@given(st.binary(min_size=16, max_size=16))
def test_the_key_of_a_visitor_is_the_id_in_the_token(drawn: bytes) -> None:
    name = mint(b"secret", drawn).split(".")[1]
    assert actor_key(name) == visitor_key(name) == drawn


@pytest.mark.parametrize(
    "name",
    [
        "user:ann",
        # The unused bits are not zero.
        *("A" * 21 + last for last in "BCPRfhvx9"),
        "A" * 21,
        "A" * 23,
        # Standard base64 instead of base64url.
        "+" + "A" * 21,
        "/" + "A" * 21,
        "A" * 10 + "." + "A" * 11,
        "A" * 20 + "=A",
        "A" * 21 + "\n",
        "é" + "A" * 21,
        "",
    ],
)
def test_the_key_of_any_other_actor_is_a_hash(name: str) -> None:
    assert visitor_key(name) is None
    assert actor_key(name) == sha256(name.encode()).digest()[:16]


@given(
    st.binary(min_size=16, max_size=16), st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_", max_size=4)
)
def test_names_that_differ_have_keys_that_differ(drawn: bytes, end: str) -> None:
    name = urlsafe_b64encode(drawn).rstrip(b"=").decode()
    other = name[: len(name) - len(end)] + end
    assert (actor_key(name) == actor_key(other)) == (name == other)


def test_keys_are_written_as_an_array_of_uuids() -> None:
    written = ActorKeysDumper(ActorKeys).dump(ActorKeys([b"\1" * 16, None]))
    head = "00000001 00000001 00000b86 00000002 00000001"
    assert written == bytes.fromhex(head + "00000010" + "01" * 16 + "ffffffff")
