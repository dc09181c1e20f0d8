"""New visitors are limited for each network, in bounded memory."""

import pytest

from service.errors import ConfigurationError
from service.security.minting import BoundedStorage, MintLimit, TooManyVisitorsError


class Clock:
    """Stands in for `time` in the module under test."""

    def __init__(self, now: float) -> None:
        self.now = now

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that only the test moves."""
    made = Clock(1_000_000.0)
    monkeypatch.setattr("service.security.minting.time", made)
    return made


def test_a_network_has_so_many_and_then_waits(clock):
    limit = MintLimit("2/minute")
    assert [limit.spend("a").remaining for _ in range(2)] == [1, 0]
    clock.now += 20
    with pytest.raises(TooManyVisitorsError) as refused:
        limit.spend("a")
    assert refused.value.allowance.reset_s == 40
    assert limit.spend("b").remaining == 1
    clock.now += 40
    assert limit.spend("a").remaining == 1


def test_memory_is_bounded_and_the_longest_untouched_goes(clock):
    storage = BoundedStorage(max_networks=3)
    for network in ("a", "b", "c", "a", "d"):
        storage.incr(network, 60)
    assert [storage.get(network) for network in "abcd"] == [2, 0, 1, 1]
    assert storage.reset() == 3


@pytest.mark.parametrize("limit", ["", "many", "0", "10/fortnight"])
def test_a_limit_that_is_none_is_named(limit):
    with pytest.raises(ConfigurationError, match="LIKEWISE_MINT_LIMIT"):
        MintLimit(limit)
