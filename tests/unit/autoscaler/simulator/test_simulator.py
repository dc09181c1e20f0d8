"""The simulated cluster, and the scores of the policies in it."""

import json
from itertools import pairwise

import pytest
from click.testing import CliRunner

from autoscaler.cli import main
from autoscaler.policy.tuning import Tuning
from autoscaler.simulator.model.cluster_model import ClusterModel
from autoscaler.simulator.model.deployment import Deployment
from autoscaler.simulator.model.shapes import QUIET_S, SHAPES
from autoscaler.simulator.model.trace import Curve, Trace
from autoscaler.simulator.model.traffic import Traffic
from autoscaler.simulator.policies.foresight import find_rises
from autoscaler.simulator.report.comparison import POLICIES, compare
from autoscaler.simulator.report.plot import plot
from autoscaler.simulator.report.score import count_reversals, count_spikes

# Base and peak in requests/s.
LARGE = (2_100.0, 11_500.0)
TUNING = Tuning(pod_capacity=30)
FAST_SHAPES = [name for name in SHAPES if name != "slow_day"]


def test_pods_are_created_at_the_controllers_rate_then_start_and_warm_up():
    cluster = ClusterModel(
        creation_per_s=20, creation_burst=0, pod_startup_s=3, warmup_s=5, cold_share=0.5, pod_capacity=30
    )
    deployment = Deployment(cluster, 10)
    deployment.scale(50)
    deployment.advance(1.0, 1.0)
    assert (deployment.existing, deployment.ready_pods(3.9)) == (30, 10)
    deployment.advance(2.0, 1.0)
    assert (deployment.existing, deployment.ready_pods(4.0), deployment.ready_pods(5.0)) == (50, 30, 50)
    assert deployment.capacity(4.0) == 30 * (10 + 20 * 0.5)
    assert deployment.capacity(9.0) == 30 * (10 + 20 + 20 * 0.9)


def test_the_controller_has_a_burst_after_a_rest_for_creation_and_deletion():
    deployment = Deployment(ClusterModel(creation_per_s=20, creation_burst=30), 10)
    deployment.scale(100)
    deployment.advance(1.0, 1.0)
    assert deployment.existing == 10 + 30 + 20
    deployment.scale(10)
    deployment.advance(2.0, 1.0)
    assert deployment.existing == 40
    deployment.advance(60.0, 58.0)
    deployment.scale(100)
    deployment.advance(61.0, 1.0)
    assert deployment.existing == 60


def test_the_newest_pods_are_deleted_first():
    deployment = Deployment(ClusterModel(creation_burst=0), 10)
    deployment.scale(30)
    deployment.advance(1.0, 1.0)
    deployment.scale(8)
    deployment.advance(1.5, 0.5)
    assert (deployment.existing, [cohort.pods for cohort in deployment.cohorts]) == (20, [10, 10])
    deployment.advance(3.0, 1.5)
    assert (deployment.existing, [cohort.pods for cohort in deployment.cohorts]) == (8, [8])


def test_full_queues_refuse_requests_and_arrivals_count_only_admitted_ones():
    traffic = Traffic(ClusterModel(pod_capacity=10, max_queue_s=2), retry_share=0)
    first = traffic.advance(0, 1, 1_000, 0, pods=10, capacity=100)
    second = traffic.advance(1, 2, 1_000, 0, pods=10, capacity=100)
    assert (first.queue, first.served, first.arrivals) == (200, 100, 300)
    # A tenth of the true demand is admitted.
    assert (second.arrivals, second.utilization, second.wait_s) == (100, 1.0, 2.0)
    # The tolerance is for noise.
    assert second.lost == pytest.approx(900, abs=150)
    assert first.violated
    assert second.violated


def test_requests_that_fail_or_are_served_too_late_are_retried():
    cluster = ClusterModel(pod_capacity=10, max_queue_s=20, timeout_s=5, retry_delay_s=2)
    traffic = Traffic(cluster, retry_share=0.5)
    # The queue grows by 100 each second. After the sixth it is more than 5 s of work.
    for second in range(8):
        measurement = traffic.advance(second, second + 1, 200, 0, pods=10, capacity=100)
    # The clients of all served requests have given up.
    assert measurement.lost == pytest.approx(100)
    retries = [traffic.advance(8 + second, 9 + second, 0, 0, pods=10, capacity=100).arrivals for second in range(2)]
    assert retries == pytest.approx([50, 50])


def test_a_reversal_is_a_rise_followed_by_a_fall():
    runs = ([1, 2, 2, 1], [1, 2, 3], [3, 2, 1], [1, 3, 2, 2, 3, 1])
    assert [count_reversals(run) for run in runs] == [1, 0, 0, 2]


def test_a_spike_exceeds_its_surroundings_by_a_tenth_and_needs_more_than_the_minimum():
    # Two pods serve 42 requests/s.
    cluster = ClusterModel(min_replicas=2, pod_capacity=30, target_utilization=0.7)
    values = (100.0, 150.0, 100.0, 105.0, 100.0, 200.0, 10.0, 30.0, 10.0)
    assert count_spikes(Trace("t", Curve(tuple(map(float, range(9))), values)), cluster) == 2


def test_a_rise_has_no_fall_in_between():
    assert find_rises(Curve((0, 10, 20, 20, 30, 40), (1, 2, 2, 5, 4, 6))) == [(0, 10, 2), (20, 20, 5), (30, 40, 6)]


@pytest.mark.parametrize("name", FAST_SHAPES)
@pytest.mark.parametrize("pod_startup_s", [3.0, 20.0])
def test_the_ideal_policy_has_no_violation(name, pod_startup_s):
    trace, cluster = SHAPES[name](*LARGE), ClusterModel(pod_startup_s=pod_startup_s)
    scores = compare(trace, cluster, TUNING, ["ideal"]).scores
    assert scores["ideal"].violation_s == 0


@pytest.mark.parametrize("name", FAST_SHAPES)
def test_likewise_meets_its_limits(name):
    policies = ["ideal", "bound", "hpa", "likewise", "likewise+hpa30"]
    scores = compare(SHAPES[name](*LARGE), ClusterModel(), TUNING, policies).scores
    for policy in ("likewise", "likewise+hpa30"):
        own = scores[policy]
        assert own.violation_s <= 0.40 * scores["hpa"].violation_s
        assert own.violation_s <= scores["bound"].violation_s + 10
        assert own.pod_seconds <= 1.25 * scores["ideal"].pod_seconds


@pytest.mark.parametrize("name", ["ramp60s", "ramp180s"])
def test_ramps_have_less_violation_than_with_the_kpa_if_pods_are_slow(name):
    scores = compare(SHAPES[name](*LARGE), ClusterModel(pod_startup_s=20), TUNING, ["kpa", "likewise"]).scores
    assert scores["likewise"].violation_s <= 0.75 * scores["kpa"].violation_s


def test_a_wrong_capacity_is_corrected():
    comparison = compare(SHAPES["step"](*LARGE), ClusterModel(), Tuning(pod_capacity=60), ["bound", "likewise"])
    learned = [step for step in comparison.steps["likewise"] if step.measurement.start >= QUIET_S]
    violation_s = sum(step.duration_s for step in learned if step.measurement.violated)
    assert violation_s <= comparison.scores["bound"].violation_s + 10


@pytest.mark.parametrize(("base", "peak"), [LARGE, (3_000.0, 33_000.0)])
def test_a_viral_post_has_a_million_likes_in_four_minutes(base, peak):
    trace = SHAPES["viral"](base, peak)
    assert trace.post
    likes = sum(trace.post.at(600 + second + 0.5) for second in range(240))
    assert likes == pytest.approx(1_000_000, rel=0.002)
    assert max(trace.demand.values) <= peak + 1e-6


def test_a_viral_post_has_fewer_likes_if_the_peak_is_low():
    trace = SHAPES["viral"](100.0, 2_000.0)
    assert max(trace.demand.values) == pytest.approx(2_000)
    # It does not decline.
    assert trace.demand.at(600 + 239) == pytest.approx(2_000)


def test_long_steps_do_not_delay_a_scale_down():
    trace, cluster = SHAPES["retry_storm"](3_000.0, 33_000.0), ClusterModel(pod_capacity=1_000)
    steps = compare(trace, cluster, Tuning(pod_capacity=1_000), ["likewise"]).steps["likewise"]
    scale_downs = [later.measurement.end for earlier, later in pairwise(steps) if later.replicas < earlier.replicas]
    assert {10.0} == {later - earlier for earlier, later in pairwise(scale_downs) if later - earlier < 60}


def test_the_same_seed_gives_the_same_scores():
    first, second = (compare(SHAPES["viral"](*LARGE), ClusterModel(), TUNING, ["likewise"]).scores for _ in range(2))
    assert first == second


def test_the_plot_shows_every_policy():
    svg = plot(compare(SHAPES["step"](*LARGE), ClusterModel(), TUNING, list(POLICIES)), ClusterModel(), 500, 1_000)
    assert svg.startswith("<svg")
    for name in POLICIES:
        assert svg.count(f'class="line {name}"') == 2


def test_the_command_writes_scores_and_a_plot(tmp_path):
    trace = tmp_path / "t.csv"
    trace.write_text("timestamp,value\n" + "\n".join(f"{60 * at},{10 + at % 5}" for at in range(30)))
    scores, svg = tmp_path / "out.json", tmp_path / "out.svg"
    arguments = ["simulate", "--trace", str(trace), "--scale", "20", "--json", str(scores), "--plot", str(svg)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert set(json.loads(scores.read_text())["t"]) == set(POLICIES)
    assert svg.read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "give either --trace or --shape"),
        (["--shape", "step", "--base", "-1"], 2, "--base must be more than 0, not -1"),
        (["--shape", "step", "--base", "9", "--peak", "8"], 2, "--peak 8 is below --base 9"),
        (["--shape", "step", "--capacity", "nan"], 2, "--capacity must be more than 0, not nan"),
        (["--trace", "/absent.csv"], 1, "/absent.csv: can't be read"),
        (["--shape", "step", "--policy", "ideal", "--json", "/absent/x.json"], 1, "/absent/x.json: can't be written"),
    ],
)
def test_the_command_explains_an_error(arguments, code, message):
    result = CliRunner().invoke(main, ["simulate", *arguments])
    assert (result.exit_code, message in result.output) == (code, True), result.output


def test_a_minimum_above_the_maximum_is_an_error(monkeypatch):
    monkeypatch.setenv("LIKEWISE_AUTOSCALER_MIN_REPLICAS", "20")
    monkeypatch.setenv("LIKEWISE_AUTOSCALER_MAX_REPLICAS", "10")
    result = CliRunner().invoke(main, ["simulate", "--shape", "step"])
    assert result.exit_code == 1
    assert "min_replicas 20 is above max_replicas 10" in result.output
