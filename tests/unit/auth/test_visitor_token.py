"""Visitor tokens: a valid token gives its actor, and nothing else does."""

import hashlib
import hmac
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.auth.visitor_token import TOKEN_CHARS, actor_of, mint, signing_secret
from service.core.likes import validate_id
from service.errors import ConfigurationError
from service.settings import Settings

SECRET = b"0123456789abcdef0123456789abcdef"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@given(st.binary(min_size=16, max_size=16))
def test_a_minted_token_gives_its_actor(raw):
    token = mint(SECRET, raw)
    actor = actor_of(SECRET, token)
    assert actor == urlsafe_b64encode(raw).rstrip(b"=").decode()
    assert validate_id(actor, "actor") == actor
    assert len(token) == TOKEN_CHARS


def test_the_format_is_frozen():
    token = mint(SECRET, bytes(16), origin="https://a.site")
    name = "A" * 22
    digest = hmac.new(SECRET, b"likewise visitor 1 https://a.site " + name.encode(), hashlib.sha256).digest()
    assert token == f"1.{name}.{urlsafe_b64encode(digest).decode().rstrip('=')}"


def test_tokens_differ():
    assert len({mint(SECRET) for _ in range(100)}) == 100


@given(st.integers(0, TOKEN_CHARS - 1), st.sampled_from(ALPHABET + "."))
def test_a_changed_character_makes_a_token_invalid(place, char):
    token = mint(SECRET, b"0123456789abcdef")
    forged = token[:place] + char + token[place + 1 :]
    assert actor_of(SECRET, forged) == (None if forged != token else actor_of(SECRET, token))


@pytest.mark.parametrize("token", ["", ".", "..", "1..", "1." * 34, "x" * 68, "\xff" * 68, "1" * 100_000])
def test_arbitrary_text_is_not_a_token(token):
    assert actor_of(SECRET, token) is None


def test_another_secret_or_a_longer_token_is_not_valid():
    token = mint(SECRET)
    assert actor_of(SECRET[::-1], token) is None
    assert [actor_of(SECRET, changed) for changed in (token + "A", token[:-1], f" {token}")] == [None] * 3


def test_an_id_has_16_bytes():
    with pytest.raises(ValueError, match="16 bytes"):
        mint(SECRET, b"short")


def test_a_short_secret_is_refused():
    with pytest.raises(ConfigurationError, match="LIKEWISE_SECRET has 31 characters; give 32 or more"):
        signing_secret(Settings(secret="x" * 31))
    assert signing_secret(Settings(secret=SECRET.decode())) == SECRET
