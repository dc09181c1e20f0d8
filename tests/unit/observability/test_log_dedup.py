"""What a process says while it waits: once every ten seconds, and how often it would have."""

import pytest
import structlog

from service.observability.log_dedup import LogDeduplicator
from tests.support.ratelimit_pods import Clock


def heard(repeats: LogDeduplicator, method: str, **event: object) -> dict[str, object] | None:
    """What is left of an event; None where it is dropped."""
    try:
        return dict(repeats(None, method, event))
    except structlog.DropEvent:
        return None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def repeats(clock: Clock) -> LogDeduplicator:
    return LogDeduplicator(clock)


def test_the_same_warning_is_said_once_in_ten_seconds(repeats, clock):
    said = {"event": "flush postponed", "reason": "Redis a:6379 does not answer"}
    assert heard(repeats, "warning", **said) == said
    assert [heard(repeats, "warning", **said) for _ in range(3)] == [None] * 3
    clock.now += 9.9
    assert heard(repeats, "warning", **said) is None
    clock.now += 0.2
    assert heard(repeats, "warning", **said) == said | {"repeats": 4}
    clock.now += 10
    assert heard(repeats, "warning", **said) == said


def test_another_reason_is_said_at_once_whatever_else_differs(repeats):
    assert heard(repeats, "warning", event="epoch not started", reason="a", shard=1)
    assert heard(repeats, "warning", event="epoch not started", reason="a", shard=2) is None
    assert heard(repeats, "warning", event="epoch not started", reason="b", shard=2)


@pytest.mark.parametrize("method", ["info", "error"])
def test_nothing_but_warnings_is_dropped(repeats, method):
    said = {"event": "dead letter", "reason": "a NUL"}
    assert [heard(repeats, method, **said) for _ in range(2)] == [said, said]


@pytest.mark.parametrize("more", [{"status": 200}, {"status": 503, "reason": "Redis is away", "request_id": "a1"}])
def test_a_request_is_an_event_of_its_own_each_time(repeats, more):
    said = {"event": "request failed"} | more
    assert [heard(repeats, "warning", **said) for _ in range(2)] == [said, said]


def test_it_does_not_grow_without_end(repeats, clock):
    for number in range(2_500):
        assert heard(repeats, "warning", event="slow", reason=f"{number} ms")
    assert len(repeats._remembered) <= 1_000
