"""Build observations for tests, and run a series of decisions with a fake clock."""

from collections.abc import Iterable, Sequence

from autoscaler.policy.decision import Decision, State
from autoscaler.policy.observation import Observation, PodSample, PostRate
from autoscaler.policy.policy import decide
from autoscaler.policy.tuning import Tuning

TUNING = Tuning(pod_capacity=100, min_replicas=2, max_replicas=100, pod_startup_s=5)
# An autoscaler that has run for long enough to scale down.
RUNNING = State(started_at=-10_000.0)
# Half of what ten pods can serve.
CALM = [500.0] * 40


def pod_samples(
    count: int, arrivals: float, now: float, *, queue: float = 0.0, capacity: float = 100.0
) -> tuple[PodSample, ...]:
    """Return the samples of `count` pods that share `arrivals` requests/s and serve what they can."""
    each = arrivals / count
    served = min(each, capacity)
    return tuple(
        PodSample(f"pod-{index}", now, each, served, served / capacity, queue / count, served / 10, ready_s=600.0)
        for index in range(count)
    )


def observe(count: int, arrivals: float, now: float, **more: object) -> Observation:
    """Return an observation of `count` desired pods, all ready and reporting."""
    queue = float(more.pop("queue", 0.0))  # type: ignore[arg-type]
    samples = pod_samples(count, arrivals, now, queue=queue)
    fields: dict[str, object] = {"replicas": count, "expected": count, "pods": samples}
    return Observation(**(fields | more))  # type: ignore[arg-type]


def decide_each_second(
    rates: Iterable[float], count: int = 10, state: State = RUNNING, tuning: Tuning = TUNING,
    posts: Sequence[Sequence[PostRate]] = (),
) -> tuple[Decision, float]:  # fmt: skip
    """Return the last decision of one decision per second, and its time. The number of pods stays at `count`."""
    decision, now = None, 0.0
    for now, rate in enumerate(rates, 1):
        post_rates = tuple(posts[now - 1]) if posts else ()
        decision = decide(state, observe(count, rate, float(now), posts=post_rates), float(now), tuning)
        state = decision.state
    assert decision is not None
    return decision, float(now)
