"""The simulated KPA against cases worked out by hand from Knative's documentation."""

import pytest

from autoscaler.simulator.policies.kpa import Panic, scaled

STABLE = Panic()


@pytest.mark.parametrize(
    ("ready", "stable", "panic", "pods"),
    [
        (10, 70, 70, 10),  # 70 requests at a time, 7 a pod
        (10, 100, 100, 15),  # 14.3, rounded up
        (10, 70, 133, 10),  # the panic window wants 19 pods: less than twice the ready ones
        (10, 7, 7, 5),  # at most halved
        (0, 7, 7, 1),  # none ready counts as one
    ],
)
def test_stable(ready, stable, panic, pods):
    assert scaled(ready, stable, panic, 7.0, STABLE, now=100.0) == (pods, STABLE)


def test_at_twice_the_ready_pods_it_panics_and_takes_the_panic_window():
    assert scaled(10, 70, 139, 7.0, STABLE, now=100.0) == (20, Panic(100.0, 20))


def test_in_panic_pods_only_grow():
    assert scaled(20, 70, 70, 7.0, Panic(90.0, 30), now=100.0) == (30, Panic(90.0, 30))
    assert scaled(20, 70, 250, 7.0, Panic(90.0, 30), now=100.0) == (36, Panic(90.0, 36))


def test_panic_ends_a_stable_window_after_the_threshold_was_last_crossed():
    assert scaled(30, 70, 70, 7.0, Panic(90.0, 30), now=150.0) == (30, Panic(90.0, 30))
    assert scaled(30, 70, 70, 7.0, Panic(90.0, 30), now=150.5) == (15, STABLE)


def test_panic_goes_on_while_it_is_over_the_threshold():
    assert scaled(10, 70, 140, 7.0, Panic(50.0, 20), now=120.0)[1] == Panic(120.0, 20)
