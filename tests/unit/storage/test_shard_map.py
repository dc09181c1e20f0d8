"""Parsing of the shard map, and the messages for invalid maps."""

import pytest

from service.errors import ConfigurationError
from service.storage.postgres.shard_map import parse_shard_map


def test_ranges_and_single_shards() -> None:
    first, second, third = parse_shard_map("0-1=postgresql://u:pw@a:5433/x 2=postgres://b/y 3=postgresql://c/z", 4)
    assert (list(first.shards), list(second.shards), list(third.shards)) == ([0, 1], [2], [3])
    assert first.name == "a:5433/x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "each of the shards 0 to 3 once"),
        ("0-2=postgresql://a/x", "each of the shards 0 to 3 once"),
        ("0-3=postgresql://a/x 3=postgresql://b/x", "each of the shards 0 to 3 once"),
        ("0-3=mysql://a/x", "'0-3=mysql://a/x' is not"),
        ("0-3", "'0-3' is not"),
    ],
)
def test_an_invalid_map_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_shard_map(text, 4)


def test_a_password_is_never_in_the_message() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_shard_map("x=postgresql://u:hush@a/x", 4)
    assert "hush" not in str(caught.value)
