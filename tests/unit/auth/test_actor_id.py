"""The actor id of a user is valid, and differs from every other user's."""

from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.auth.actor_id import MAX_ACTOR_CHARS, actor_of_user
from service.core.likes import validate_id
from service.errors import InvalidInputError

WRITABLE = st.characters(exclude_categories=("Cc", "Cs"))
SUBS = st.text(st.sampled_from("ab~/.:-_%7E é\u202e😀") | WRITABLE, min_size=1, max_size=16)
NEAR = st.text(st.sampled_from("~/2F7E"), min_size=1, max_size=4)


@given(SUBS)
@example(".")
@example("..")
@example("a/../b")
@example("~7E")
@settings(deadline=None)
def test_an_actor_is_a_valid_id_and_can_be_decoded(sub):
    actor = actor_of_user(sub)
    assert validate_id(actor, "actor") == actor
    assert unquote(actor.removeprefix("user:").replace("~", "%"), errors="strict") == sub


@given(SUBS | NEAR, SUBS | NEAR)
@example("/", "~2F")
@example("é", "e\u0301")
@example("Anna", "anna")
@settings(deadline=None)
def test_two_users_never_share_an_actor(one, other):
    assert (actor_of_user(one) == actor_of_user(other)) == (one == other)


@pytest.mark.parametrize(
    ("sub", "actor"),
    [
        ("anna", "user:anna"),
        ("auth0|5f7c", "user:auth0~7C5f7c"),
        ("anna@blog.example", "user:anna~40blog.example"),
        ("~/é", "user:~7E~2F~C3~A9"),
        ("..", "user:.."),
        ("a" * 195, "user:" + "a" * 195),
    ],
)
def test_the_form_is_frozen(sub, actor):
    assert actor_of_user(sub) == actor


@pytest.mark.parametrize(
    ("sub", "why"),
    [
        ("", "empty"),
        ("a" * 196, "too long"),
        ("é" * 33, "too long"),
        ("a" * 1_000_000, "too long"),
        ("a\0", "control"),
        ("\x1b[0m", "control"),
        ("a\x85", "control"),
        ("\ud800", "control"),
        ("a" * 500 + "\ud800", "too long"),
    ],
)
def test_invalid_user_ids_are_refused(sub, why):
    with pytest.raises(ValueError, match=why) as raised:
        actor_of_user(sub)
    assert not isinstance(raised.value, InvalidInputError | UnicodeError)


def test_the_length_limit_is_that_of_ids():
    longest = "x" * MAX_ACTOR_CHARS
    assert validate_id(longest, "actor") == longest
    with pytest.raises(InvalidInputError):
        validate_id(longest + "x", "actor")
