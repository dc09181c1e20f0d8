"""API keys of servers are recognised, and a wrong entry is named without its content."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.auth.api_keys import MAX_KEY_CHARS, ApiKey, ApiKeys, is_api_key, new_key
from service.errors import ConfigurationError, InvalidCredentialError

HASH = sha256(b"a").hexdigest()
OTHER = sha256(b"b").hexdigest()
THIRD = sha256(b"c").hexdigest()


def test_a_new_key_is_recognised():
    key, entry = new_key("blog-2", ["seed", "like"])
    assert ApiKeys([entry]).find(key) == ApiKey("blog-2", frozenset({"like", "seed"}))
    assert entry == f"blog-2:like+seed:{sha256(key.encode()).hexdigest()}"
    assert (is_api_key(key), len(key)) == (True, len("lk_blog-2_") + 43)
    assert len(new_key("a" * 40, ["like"])[0]) <= MAX_KEY_CHARS


def test_keys_differ():
    assert len({new_key("blog", ["like"])[0] for _ in range(100)}) == 100


def test_scopes():
    plain, admin = ApiKey("blog", frozenset({"like"})), ApiKey("ops", frozenset({"admin"}))
    assert [plain.has_scope(scope) for scope in ("like", "seed", "admin", "")] == [True, False, False, False]
    assert [admin.has_scope(scope) for scope in ("like", "seed", "admin")] == [True] * 3


def test_a_name_may_have_two_keys_during_a_rotation():
    (old, first), (new, second) = new_key("blog", ["like"]), new_key("blog", ["like", "seed"])
    keys = ApiKeys([first, second])
    assert [keys.find(key).name for key in (old, new)] == ["blog", "blog"]
    assert [keys.find(key).has_scope("seed") for key in (old, new)] == [False, True]
    with pytest.raises(InvalidCredentialError):
        ApiKeys([second]).find(old)
    with pytest.raises(ConfigurationError, match="LIKEWISE_API_KEYS: blog has 3 keys; 2 is the maximum"):
        ApiKeys([first, second, new_key("blog", ["like"])[1]])


KEY, ENTRY = new_key("blog", ["like"])
KEYS = ApiKeys([ENTRY])


@given(st.text() | st.text(alphabet="lk_blog0", max_size=200))
@settings(deadline=None)
def test_arbitrary_text_is_not_a_key(text):
    with pytest.raises(InvalidCredentialError, match="unknown"):
        KEYS.find(text)


@given(st.integers(0, len(KEY) - 1), st.characters())
@settings(deadline=None)
def test_a_changed_character_makes_a_key_invalid(place, char):
    changed = KEY[:place] + char + KEY[place + 1 :]
    if changed == KEY:
        return
    with pytest.raises(InvalidCredentialError):
        KEYS.find(changed)


NOT_KEYS = {
    "empty": "",
    "prefix": "lk_",
    "no secret": "lk_blog_",
    "longer": KEY + "A",
    "truncated": KEY[:-1],
    "leading space": f" {KEY}",
    "upper case": KEY.upper(),
    "its entry": ENTRY,
    "its hash": ENTRY.split(":")[2],
    "half a surrogate pair": "\ud800",
    "not ASCII": "lk_é",
    "huge": "lk_" * 10**6,
}


# The ids are stable, as the keys are random.
@pytest.mark.parametrize("key", NOT_KEYS.values(), ids=NOT_KEYS.keys())
def test_almost_a_key_is_not_a_key(key):
    with pytest.raises(InvalidCredentialError) as raised:
        KEYS.find(key)
    assert KEY not in str(raised.value)


def test_a_long_key_is_refused_without_hashing():
    long = "lk_blog_" + "a" * MAX_KEY_CHARS
    with pytest.raises(InvalidCredentialError):
        ApiKeys([f"blog:like:{sha256(long.encode()).hexdigest()}"]).find(long)


@pytest.mark.parametrize("text", ["", "eyJhbGciOi.eyJz.c2ln", "LK_blog_x", "1.Ae_SD96VRrk894tnedts0g.KsUN"])
def test_other_credentials_are_not_keys(text):
    assert not is_api_key(text)


@pytest.mark.parametrize(
    ("entries", "what"),
    [
        ([f"blog:like:{HASH}", f"Blog:like:{HASH}"], "entry 2 does not begin with a name"),
        ([f":like:{HASH}"], "entry 1 does not begin with a name"),
        ([f"{'a' * 41}:like:{HASH}"], "entry 1 does not begin with a name"),
        ([HASH], "entry 1 does not begin with a name"),
        (["lk_blog_dM6g58ih61ikRSquqpzkIKjrhaep9FOUzMKC"], "entry 1 does not begin with a name"),
        (["blog"], "blog is not of the form"),
        ([f"blog:like:more:{HASH}"], "blog is not of the form"),
        ([f"blog::{HASH}"], "blog has an unknown scope"),
        ([f"blog:like+all:{HASH}"], "blog has an unknown scope; the scopes are like, seed, admin"),
        ([f"blog:{HASH}:like"], "blog has an unknown scope"),
        ([f"blog:like:{HASH[:-1]}"], "blog does not end with a SHA-256"),
        ([f"blog:like:{HASH[:-1]}g"], "blog does not end with a SHA-256"),
        ([f"blog:like:{KEY}"], "blog does not end with a SHA-256"),
        ([f"blog:like:{HASH}", f"blog:like:{HASH}"], "blog has the same key as blog"),
        ([f"blog:like:{HASH}", f"shop:like:{HASH.upper()}"], "shop has the same key as blog"),
        ([f"b:like:{HASH}", f"b:like:{OTHER}", f"b:like:{THIRD}"], "b has 3 keys"),
    ],
)
def test_the_error_names_a_wrong_entry_without_its_content(entries, what):
    with pytest.raises(ConfigurationError, match="LIKEWISE_API_KEYS: ") as raised:
        ApiKeys(entries)
    message = str(raised.value)
    assert what in message
    assert not [secret for secret in (HASH, HASH[:-1], KEY, "dM6g58ih61") if secret in message]


@pytest.mark.parametrize(
    ("name", "scopes", "what"),
    [
        ("Blog", ["like"], "name"),
        ("", ["like"], "name"),
        ("a" * 41, ["like"], "name"),
        ("a_b", ["like"], "name"),
        ("blog", [], "scopes"),
        ("blog", ["root"], "scopes"),
    ],
)
def test_no_key_is_created_for_a_wrong_name_or_scope(name, scopes, what):
    with pytest.raises(ValueError, match=what):
        new_key(name, iter(scopes))
