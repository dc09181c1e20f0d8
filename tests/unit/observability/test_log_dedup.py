"""Deduplication of warnings: one in ten seconds, with the number of repeats."""

import pytest
import structlog

from service.observability.log_dedup import LogDeduplicator
from tests.support.ratelimit_pods import Clock


def process(dedup: LogDeduplicator, method: str, **event: object) -> dict[str, object] | None:
    """Process an event. Return None if it is dropped."""
    try:
        return dict(dedup(None, method, event))
    except structlog.DropEvent:
        return None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dedup(clock: Clock) -> LogDeduplicator:
    return LogDeduplicator(clock)


def test_a_repeated_warning_is_logged_once_in_ten_seconds(dedup, clock):
    event = {"event": "flush postponed", "reason": "Redis a:6379 does not answer"}
    assert process(dedup, "warning", **event) == event
    assert [process(dedup, "warning", **event) for _ in range(3)] == [None] * 3
    clock.now += 9.9
    assert process(dedup, "warning", **event) is None
    clock.now += 0.2
    assert process(dedup, "warning", **event) == event | {"repeats": 4}
    clock.now += 10
    assert process(dedup, "warning", **event) == event


def test_another_reason_is_logged_at_once(dedup):
    assert process(dedup, "warning", event="epoch not started", reason="a", shard=1)
    assert process(dedup, "warning", event="epoch not started", reason="a", shard=2) is None
    assert process(dedup, "warning", event="epoch not started", reason="b", shard=2)


@pytest.mark.parametrize("method", ["info", "error"])
def test_only_warnings_are_dropped(dedup, method):
    event = {"event": "dead letter", "reason": "a NUL"}
    assert [process(dedup, method, **event) for _ in range(2)] == [event, event]


@pytest.mark.parametrize("more", [{"status": 200}, {"status": 503, "reason": "Redis is away", "request_id": "a1"}])
def test_lines_about_requests_are_never_dropped(dedup, more):
    event = {"event": "request failed"} | more
    assert [process(dedup, "warning", **event) for _ in range(2)] == [event, event]


def test_the_memory_is_bounded(dedup, clock):
    for number in range(2_500):
        assert process(dedup, "warning", event="slow", reason=f"{number} ms")
    assert len(dedup._remembered) <= 1_000
