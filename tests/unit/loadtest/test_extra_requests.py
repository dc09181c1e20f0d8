"""Test the requests in addition to the schedule: follow-ups and second attempts."""

from service.loadtest.generator.distribution import LIKE, REPEAT, UNLIKE
from service.loadtest.generator.extra_requests import ExtraRequests


def test_follow_ups_are_queued_in_the_order_of_their_likes() -> None:
    extra = ExtraRequests([LIKE, UNLIKE, REPEAT, LIKE])
    extra.follow([3, 2], 1.5)
    extra.follow([0, 1], 2.5)
    assert list(extra) == [(REPEAT, 2, 1.5), (UNLIKE, 1, 2.5)]
    assert extra.pop() == (REPEAT, 2, 1.5)
    assert len(extra) == 1


def test_nothing_follows_in_a_run_of_likes_only() -> None:
    extra = ExtraRequests([LIKE] * 3)
    extra.follow([0, 1, 2], 1.0)
    assert not extra


def test_a_request_has_two_attempts() -> None:
    extra = ExtraRequests([UNLIKE])
    assert extra.retry(LIKE, 0, 0.5)
    assert extra.is_retried(LIKE, 0)
    assert not extra.is_retried(UNLIKE, 0)
    assert not extra.retry(LIKE, 0, 0.5)
    assert extra.retry(UNLIKE, 0, 0.7)
    assert list(extra) == [(LIKE, 0, 0.5), (UNLIKE, 0, 0.7)]
