"""The simulated KPA, compared with cases worked out by hand from Knative's documentation."""

import pytest

from autoscaler.simulator.policies.kpa import PanicMode, desired_scale

STABLE = PanicMode()


@pytest.mark.parametrize(
    ("ready", "stable", "panic", "pods"),
    [
        # 70 concurrent requests, 7 for each pod.
        (10, 70, 70, 10),
        # 14.3, rounded up.
        (10, 100, 100, 15),
        # The panic window needs 19 pods, less than twice the ready ones.
        (10, 70, 133, 10),
        # At most halved.
        (10, 7, 7, 5),
        # No ready pod counts as one.
        (0, 7, 7, 1),
    ],
)
def test_stable_mode(ready, stable, panic, pods):
    assert desired_scale(ready, stable, panic, 7.0, STABLE, now=100.0) == (pods, STABLE)


def test_panic_mode_starts_at_twice_the_ready_pods_and_uses_the_panic_window():
    assert desired_scale(10, 70, 139, 7.0, STABLE, now=100.0) == (20, PanicMode(100.0, 20))


def test_pods_only_grow_in_panic_mode():
    assert desired_scale(20, 70, 70, 7.0, PanicMode(90.0, 30), now=100.0) == (30, PanicMode(90.0, 30))
    assert desired_scale(20, 70, 250, 7.0, PanicMode(90.0, 30), now=100.0) == (36, PanicMode(90.0, 36))


def test_panic_mode_ends_a_stable_window_after_the_threshold_was_last_exceeded():
    assert desired_scale(30, 70, 70, 7.0, PanicMode(90.0, 30), now=150.0) == (30, PanicMode(90.0, 30))
    assert desired_scale(30, 70, 70, 7.0, PanicMode(90.0, 30), now=150.5) == (15, STABLE)


def test_panic_mode_continues_while_the_threshold_is_exceeded():
    assert desired_scale(10, 70, 140, 7.0, PanicMode(50.0, 20), now=120.0)[1] == PanicMode(120.0, 20)
