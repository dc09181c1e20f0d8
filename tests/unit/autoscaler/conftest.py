"""What several test files of the autoscaler start from."""

import pytest

from tests.support.fake_kubernetes import Rounds


@pytest.fixture
def rounds() -> Rounds:
    """After some quiet seconds."""
    rounds = Rounds()
    rounds.go(8)
    assert rounds.api.calls == []
    return rounds
