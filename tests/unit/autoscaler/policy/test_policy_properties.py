"""Properties of every decision on API pods: bounds, no scale-down without data, and monotony."""

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autoscaler.policy.decision import State
from autoscaler.policy.observation import Observation, PodSample, PostRate, Prewarm
from autoscaler.policy.policy import decide
from autoscaler.policy.tuning import Tuning

TUNING = Tuning(pod_capacity=50, min_replicas=3, max_replicas=60, pod_startup_s=10)
RATES = st.floats(0, 5_000)
HISTORIES = st.lists(st.tuples(st.floats(0.2, 20), RATES, st.floats(0, 2_000), st.integers(1, 70)), max_size=50)
STALE = st.one_of(st.floats(-1e6, -TUNING.stale_s - 0.1), st.floats(TUNING.max_clock_skew_s + 0.1, 1e6))
PREWARMS = st.none() | st.builds(Prewarm, st.integers(0, 200), st.floats(0, 2_000))


def pod_samples(count: int, arrivals: float, queue: float, at: float) -> tuple[PodSample, ...]:
    served = min(arrivals / count, 50.0)
    busy = 1.0 if queue else served / 50
    return tuple(PodSample(str(i), at, arrivals / count, served, busy, queue / count, 1, 100) for i in range(count))


def replay(history: list[tuple[float, float, float, int]], started_at: float = -1_000.0) -> tuple[State, float, int]:
    """Return the state after a history, its time, and the last decided number."""
    state, now, replicas = State(started_at=started_at), 0.0, 5
    for passed, arrivals, queue, count in history:
        now += passed
        posts = (PostRate("hot", arrivals / 2),)
        observation = Observation(replicas, count, pod_samples(count, arrivals, queue, now), posts=posts)
        decision = decide(state, observation, now, TUNING)
        state, replicas = decision.state, decision.replicas
    return state, now, replicas


@given(HISTORIES, RATES, st.floats(0, 2_000), st.integers(1, 60), PREWARMS)
@settings(max_examples=300, deadline=None)
def test_the_bounds_are_kept(history, arrivals, queue, count, prewarm):
    state, now, replicas = replay(history)
    observation = Observation(replicas, count, pod_samples(count, arrivals, queue, now + 1), prewarm=prewarm)
    decision = decide(state, observation, now + 1, TUNING)
    assert 3 <= decision.replicas <= 60


@given(HISTORIES, STALE, st.integers(1, 200), PREWARMS)
@settings(max_examples=300, deadline=None)
def test_there_is_no_scale_down_with_missing_or_stale_metrics(history, offset_s, current, prewarm):
    state, now, _ = replay(history)
    for samples in ((), pod_samples(5, 10, 0, now + 1 + offset_s)):
        decision = decide(state, Observation(current, 5, samples, prewarm=prewarm), now + 1, TUNING)
        assert decision.replicas >= current


@given(HISTORIES, RATES, st.integers(1, 40), st.integers(0, 60), st.integers(1, 200))
@settings(max_examples=300, deadline=None)
def test_there_is_no_scale_down_with_partial_metrics(history, arrivals, reporting, silent, current):
    state, now, _ = replay(history)
    expected = reporting + silent
    observation = Observation(current, expected, pod_samples(reporting, arrivals, 0, now + 1))
    decision = decide(state, observation, now + 1, TUNING)
    assert decision.replicas >= current or silent <= TUNING.max_missing_share * expected


@given(HISTORIES, RATES, st.integers(1, 200))
@settings(max_examples=200, deadline=None)
def test_there_is_no_scale_down_soon_after_a_start(history, arrivals, current):
    state, now, _ = replay(history, started_at=0.0)
    observation = Observation(current, 5, pod_samples(5, arrivals, 0, now + 1))
    decision = decide(state, observation, now + 1, TUNING)
    assert decision.replicas >= current or now + 1 >= TUNING.restart_stabilization_s


@given(HISTORIES, RATES, st.floats(0, 1e6), st.floats(1.2, 10), st.integers(1, 200))
@settings(max_examples=200, deadline=None)
def test_there_is_no_scale_down_while_the_pending_likes_grow(history, arrivals, pending, factor, current):
    state, now, _ = replay(history)
    for passed, waiting in ((1, pending), (2, (pending + arrivals) * factor + 1)):
        observation = Observation(current, 5, pod_samples(5, arrivals, 0, now + passed), pending=waiting)
        decision = decide(state, observation, now + passed, TUNING)
        state = decision.state
    # The likes of less than a second only wait for the next flush.
    assume(waiting > state.arrival_rate)
    assert decision.replicas >= current


@given(HISTORIES, RATES, st.floats(0, 2_000), st.floats(1, 10), st.floats(0, 500), st.integers(1, 70))
@settings(max_examples=500, deadline=None)
def test_more_demand_never_results_in_fewer_pods(history, arrivals, queue, factor, post, current):
    state, now, _ = replay(history)

    def replicas(factor: float) -> int:
        posts = (PostRate("hot", post * factor), PostRate("cold", 5.0))
        samples = pod_samples(8, arrivals * factor, queue * factor, now + 1)
        return decide(state, Observation(current, 8, samples, posts=posts), now + 1, TUNING).replicas

    assert replicas(factor) >= replicas(1.0)


@given(HISTORIES, RATES)
@settings(max_examples=100, deadline=None)
def test_the_same_input_gives_the_same_decision(history, arrivals):
    state, now, replicas = replay(history)
    observation = Observation(replicas, 5, pod_samples(5, arrivals, 0, now + 1))
    assert decide(state, observation, now + 1, TUNING) == decide(replace(state), replace(observation), now + 1, TUNING)
