"""What holds for every decision: bounds, no decrease without sight, more demand never fewer pods."""

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


def samples(count: int, arrivals: float, queue: float, at: float) -> tuple[PodSample, ...]:
    served = min(arrivals / count, 50.0)
    busy = 1.0 if queue else served / 50
    return tuple(PodSample(str(i), at, arrivals / count, served, busy, queue / count, 1, 100) for i in range(count))


def lived(history: list[tuple[float, float, float, int]], began: float = -1_000.0) -> tuple[State, float, int]:
    """A state as a past leaves it, its time, and what was last asked for."""
    state, now, replicas = State(started_at=began), 0.0, 5
    for passed, arrivals, queue, count in history:
        now += passed
        posts = (PostRate("hot", arrivals / 2),)
        seen = Observation(replicas, count, samples(count, arrivals, queue, now), posts=posts)
        decision = decide(state, seen, now, TUNING)
        state, replicas = decision.state, decision.replicas
    return state, now, replicas


@given(HISTORIES, RATES, st.floats(0, 2_000), st.integers(1, 60), PREWARMS)
@settings(max_examples=300, deadline=None)
def test_never_out_of_bounds(history, arrivals, queue, count, prewarm):
    state, now, replicas = lived(history)
    seen = Observation(replicas, count, samples(count, arrivals, queue, now + 1), prewarm=prewarm)
    decision = decide(state, seen, now + 1, TUNING)
    assert 3 <= decision.replicas <= 60


@given(HISTORIES, STALE, st.integers(1, 200), PREWARMS)
@settings(max_examples=300, deadline=None)
def test_never_a_decrease_with_absent_or_stale_metrics(history, off, current, prewarm):
    state, now, _ = lived(history)
    for made in ((), samples(5, 10, 0, now + 1 + off)):
        decision = decide(state, Observation(current, 5, made, prewarm=prewarm), now + 1, TUNING)
        assert decision.replicas >= current


@given(HISTORIES, RATES, st.integers(1, 40), st.integers(0, 60), st.integers(1, 200))
@settings(max_examples=300, deadline=None)
def test_never_a_decrease_with_partial_metrics(history, arrivals, told, silent, current):
    state, now, _ = lived(history)
    expected = told + silent
    seen = Observation(current, expected, samples(told, arrivals, 0, now + 1))
    decision = decide(state, seen, now + 1, TUNING)
    assert decision.replicas >= current or silent <= TUNING.max_missing_share * expected


@given(HISTORIES, RATES, st.integers(1, 200))
@settings(max_examples=200, deadline=None)
def test_never_a_decrease_soon_after_a_start(history, arrivals, current):
    state, now, _ = lived(history, began=0.0)
    seen = Observation(current, 5, samples(5, arrivals, 0, now + 1))
    decision = decide(state, seen, now + 1, TUNING)
    assert decision.replicas >= current or now + 1 >= TUNING.restart_stabilization_s


@given(HISTORIES, RATES, st.floats(0, 1e6), st.floats(1.2, 10), st.integers(1, 200))
@settings(max_examples=200, deadline=None)
def test_never_a_decrease_while_the_stream_grows(history, arrivals, pending, factor, current):
    state, now, _ = lived(history)
    for passed, waiting in ((1, pending), (2, (pending + arrivals) * factor + 1)):
        seen = Observation(current, 5, samples(5, arrivals, 0, now + passed), pending=waiting)
        decision = decide(state, seen, now + passed, TUNING)
        state = decision.state
    assume(waiting > state.arrival_rate)  # more than a second's likes wait: less is but the next flush
    assert decision.replicas >= current


@given(HISTORIES, RATES, st.floats(0, 2_000), st.floats(1, 10), st.floats(0, 500), st.integers(1, 70))
@settings(max_examples=500, deadline=None)
def test_more_demand_never_asks_for_fewer_pods(history, arrivals, queue, factor, post, current):
    state, now, _ = lived(history)

    def asked(times: float) -> int:
        posts = (PostRate("hot", post * times), PostRate("cold", 5.0))
        seen = Observation(current, 8, samples(8, arrivals * times, queue * times, now + 1), posts=posts)
        return decide(state, seen, now + 1, TUNING).replicas

    assert asked(factor) >= asked(1.0)


@given(HISTORIES, RATES)
@settings(max_examples=100, deadline=None)
def test_the_same_input_gives_the_same_answer(history, arrivals):
    state, now, replicas = lived(history)
    seen = Observation(replicas, 5, samples(5, arrivals, 0, now + 1))
    assert decide(state, seen, now + 1, TUNING) == decide(replace(state), replace(seen), now + 1, TUNING)
