"""Fixtures that several test files of the autoscaler share."""

import pytest

from tests.support.autoscaler.fake_kubernetes import Rounds


@pytest.fixture
def rounds() -> Rounds:
    """Return rounds after some quiet seconds."""
    rounds = Rounds()
    rounds.go(8)
    assert rounds.api.writes == []
    return rounds
