"""The keyed hash is HMAC-SHA256."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from service.auth.keyed_hash import KeyedHash


@given(st.binary(max_size=200), st.lists(st.binary(max_size=200), max_size=3))
def test_it_equals_hmac_for_each_message_and_any_length_of_the_key(key, messages):
    keyed = KeyedHash(key)
    assert [keyed.digest(message) for message in messages] == [hmac.digest(key, one, "sha256") for one in messages]
