"""Observations as tests need them, and a run of decisions under a fake clock."""

from collections.abc import Iterable, Sequence

from autoscaler.policy.decision import Decision, State
from autoscaler.policy.observation import Observation, PodSample, PostRate
from autoscaler.policy.policy import decide
from autoscaler.policy.tuning import Tuning

TUNING = Tuning(pod_capacity=100, min_replicas=2, max_replicas=100, pod_startup_s=5)
RUNNING = State(started_at=-10_000.0)  # long enough ago to release


def pods(
    count: int, arrivals: float, now: float, *, queue: float = 0.0, capacity: float = 100.0
) -> tuple[PodSample, ...]:
    """`count` pods that share `arrivals` requests/s; they serve what they can."""
    each = arrivals / count
    served = min(each, capacity)
    return tuple(
        PodSample(f"pod-{index}", now, each, served, served / capacity, queue / count, served / 10, ready_s=600.0)
        for index in range(count)
    )


def seen(count: int, arrivals: float, now: float, **more: object) -> Observation:
    """`count` pods are asked for, ready and heard."""
    queue = float(more.pop("queue", 0.0))  # type: ignore[arg-type]
    given: dict[str, object] = {"replicas": count, "expected": count, "pods": pods(count, arrivals, now, queue=queue)}
    return Observation(**(given | more))  # type: ignore[arg-type]


def after(
    rates: Iterable[float], count: int = 10, state: State = RUNNING, tuning: Tuning = TUNING,
    posts: Sequence[Sequence[PostRate]] = (),
) -> tuple[Decision, float]:  # fmt: skip
    """The decision after a look each second, with pods that never become more; and its time."""
    decision, now = None, 0.0
    for now, rate in enumerate(rates, 1):
        shown = tuple(posts[now - 1]) if posts else ()
        decision = decide(state, seen(count, rate, float(now), posts=shown), float(now), tuning)
        state = decision.state
    assert decision is not None
    return decision, float(now)
