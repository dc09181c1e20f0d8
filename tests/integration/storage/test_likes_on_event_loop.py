"""Likes on the embedded servers, counted by the event loop of a pod."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.loop_thread import likes_on_loop
from tests.support.suites import likes_suite, state_machine_suite
from tests.support.suites.likes_suite import *  # noqa: F403
from tests.support.suites.state_machine_suite import *  # noqa: F403


@pytest.fixture(autouse=True)
def _on_event_loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Count the suites' likes on an event loop."""
    with ExitStack() as loops:
        for suite in (likes_suite, state_machine_suite):
            monkeypatch.setattr(suite, "create_likes", lambda stores: loops.enter_context(likes_on_loop(stores)))
        yield
