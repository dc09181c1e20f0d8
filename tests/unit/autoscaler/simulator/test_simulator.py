"""The simulated world, and what policies come to in it."""

import json
from itertools import pairwise

import pytest
from click.testing import CliRunner

from autoscaler.cli import main
from autoscaler.policy.tuning import Tuning
from autoscaler.simulator.model.pods import Deployment
from autoscaler.simulator.model.shapes import QUIET_S, SHAPES
from autoscaler.simulator.model.trace import Curve, Trace
from autoscaler.simulator.model.traffic import Traffic
from autoscaler.simulator.model.world import World
from autoscaler.simulator.policies.foresight import climbs
from autoscaler.simulator.report.comparison import POLICIES, contest
from autoscaler.simulator.report.plot import plot
from autoscaler.simulator.report.score import spikes, turns

STORY = (2_100.0, 11_500.0)
TUNING = Tuning(pod_capacity=30)


def test_pods_are_made_at_the_controllers_rate_and_start_and_warm_up():
    world = World(creation_per_s=20, creation_burst=0, start_s=3, warmup_s=5, cold_share=0.5, capacity=30)
    deployment = Deployment(world, 10)
    deployment.ask(50)
    deployment.advance(1.0, 1.0)
    assert (deployment.existing, deployment.ready(3.9)) == (30, 10)
    deployment.advance(2.0, 1.0)
    assert (deployment.existing, deployment.ready(4.0), deployment.ready(5.0)) == (50, 30, 50)
    assert deployment.capacity(4.0) == 30 * (10 + 20 * 0.5)
    assert deployment.capacity(9.0) == 30 * (10 + 20 + 20 * 0.9)


def test_after_a_rest_the_controller_makes_a_burst_and_takes_away_by_the_same_limit():
    deployment = Deployment(World(creation_per_s=20, creation_burst=30), 10)
    deployment.ask(100)
    deployment.advance(1.0, 1.0)
    assert deployment.existing == 10 + 30 + 20
    deployment.ask(10)
    deployment.advance(2.0, 1.0)
    assert deployment.existing == 40
    deployment.advance(60.0, 58.0)
    deployment.ask(100)
    deployment.advance(61.0, 1.0)
    assert deployment.existing == 60


def test_the_newest_pods_go_first():
    deployment = Deployment(World(creation_burst=0), 10)
    deployment.ask(30)
    deployment.advance(1.0, 1.0)
    deployment.ask(8)
    deployment.advance(1.5, 0.5)
    assert (deployment.existing, [cohort.pods for cohort in deployment.cohorts]) == (20, [10, 10])
    deployment.advance(3.0, 1.5)
    assert (deployment.existing, [cohort.pods for cohort in deployment.cohorts]) == (8, [8])


def test_pods_queue_refuse_and_see_no_more_than_they_take_in():
    traffic = Traffic(World(capacity=10, queue_s=2), retries=0)
    first = traffic.step(0, 1, 1_000, 0, pods=10, capacity=100)
    second = traffic.step(1, 2, 1_000, 0, pods=10, capacity=100)
    assert (first.queue, first.served, first.arrivals) == (200, 100, 300)
    assert (second.arrivals, second.utilization, second.wait_s) == (100, 1.0, 2.0)  # a tenth of the true demand
    assert second.lost == pytest.approx(900, abs=150)  # chance
    assert first.violated
    assert second.violated


def test_what_fails_comes_again_and_what_is_served_too_late_has_failed():
    world = World(capacity=10, queue_s=20, timeout_s=5, retry_s=2)
    traffic = Traffic(world, retries=0.5)
    for second in range(8):  # 100 more wait after each; more than 5 s of work after the sixth
        measure = traffic.step(second, second + 1, 200, 0, pods=10, capacity=100)
    assert measure.lost == pytest.approx(100)  # all that was served: its clients have gone
    again = [traffic.step(8 + second, 9 + second, 0, 0, pods=10, capacity=100).arrivals for second in range(2)]
    assert again == pytest.approx([50, 50])


def test_a_turn_is_a_rise_that_is_followed_by_a_fall():
    assert [turns(line) for line in ([1, 2, 2, 1], [1, 2, 3], [3, 2, 1], [1, 3, 2, 2, 3, 1])] == [1, 0, 0, 2]


def test_spikes_stand_out_by_a_tenth_and_need_more_than_the_least_pods():
    world = World(min_replicas=2, capacity=30, target_utilization=0.7)  # 42 requests/s
    values = (100.0, 150.0, 100.0, 105.0, 100.0, 200.0, 10.0, 30.0, 10.0)
    assert spikes(Trace("t", Curve(tuple(map(float, range(9))), values)), world) == 2


def test_a_climb_has_no_fall_between():
    assert climbs(Curve((0, 10, 20, 20, 30, 40), (1, 2, 2, 5, 4, 6))) == [(0, 10, 2), (20, 20, 5), (30, 40, 6)]


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "slow_day"])
@pytest.mark.parametrize("start_s", [3.0, 20.0])
def test_foresight_violates_nothing(name, start_s):
    trace, world = SHAPES[name](*STORY), World(start_s=start_s)
    found = contest(trace, world, TUNING, ["ideal"])
    assert found.scores["ideal"].violation_s == 0


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "slow_day"])
def test_likewise_reaches_its_figures(name):
    found = contest(SHAPES[name](*STORY), World(), TUNING, ["ideal", "bound", "hpa", "likewise", "likewise+hpa30"])
    for ours in ("likewise", "likewise+hpa30"):
        mine, others = found.scores[ours], found.scores
        assert mine.violation_s <= 0.40 * others["hpa"].violation_s
        assert mine.violation_s <= others["bound"].violation_s + 10
        assert mine.pod_seconds <= 1.25 * others["ideal"].pod_seconds


@pytest.mark.parametrize("name", ["ramp60s", "ramp180s"])
def test_ramps_are_met_sooner_than_by_the_kpa_with_pods_ready_in_20_s(name):
    found = contest(SHAPES[name](*STORY), World(start_s=20), TUNING, ["kpa", "likewise"])
    assert found.scores["likewise"].violation_s <= 0.75 * found.scores["kpa"].violation_s


def test_a_wrong_capacity_is_learned():
    found = contest(SHAPES["step"](*STORY), World(), Tuning(pod_capacity=60), ["bound", "likewise"])
    learned = [moment.measure for moment in found.moments["likewise"] if moment.measure.start >= QUIET_S]
    violated_s = sum(measure.end - measure.start for measure in learned if measure.violated)
    assert violated_s <= found.scores["bound"].violation_s + 10


@pytest.mark.parametrize(("base", "peak"), [STORY, (3_000.0, 33_000.0)])
def test_a_viral_post_is_a_million_likes_in_four_minutes(base, peak):
    trace = SHAPES["viral"](base, peak)
    assert trace.post
    likes = sum(trace.post.at(600 + second + 0.5) for second in range(240))
    assert likes == pytest.approx(1_000_000, rel=0.002)
    assert max(trace.demand.values) <= peak + 1e-6


def test_a_viral_post_is_fewer_likes_where_the_peak_holds_no_more():
    trace = SHAPES["viral"](100.0, 2_000.0)
    assert max(trace.demand.values) == pytest.approx(2_000)
    assert trace.demand.at(600 + 239) == pytest.approx(2_000)  # it does not fade


def test_no_long_step_hides_when_pods_are_handed_back():
    tuning = Tuning(pod_capacity=1_000)
    trace, world = SHAPES["retry_storm"](3_000.0, 33_000.0), World(capacity=1_000)
    asked = [
        (moment.measure.end, moment.asked) for moment in contest(trace, world, tuning, ["likewise"]).moments["likewise"]
    ]
    released = [end for (_, before), (end, after) in pairwise(asked) if after < before]
    assert {10.0} == {later - earlier for earlier, later in pairwise(released) if later - earlier < 60}


def test_the_same_seed_gives_the_same_run():
    first, second = (contest(SHAPES["viral"](*STORY), World(), TUNING, ["likewise"]).scores for _ in range(2))
    assert first == second


def test_the_plot_shows_every_policy():
    found = contest(SHAPES["step"](*STORY), World(), TUNING, list(POLICIES))
    picture = plot(found, World(), 500, 1_000)
    assert picture.startswith("<svg")
    for name in POLICIES:
        assert picture.count(f'class="line {name}"') == 2


def test_the_command_writes_what_it_says(tmp_path):
    trace = tmp_path / "t.csv"
    trace.write_text("timestamp,value\n" + "\n".join(f"{60 * at},{10 + at % 5}" for at in range(30)))
    out, picture = tmp_path / "out.json", tmp_path / "out.svg"
    arguments = ["simulate", "--trace", str(trace), "--scale", "20", "--json", str(out), "--plot", str(picture)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert set(json.loads(out.read_text())["t"]) == set(POLICIES)
    assert picture.read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "give either --trace or --shape"),
        (["--shape", "step", "--base", "-1"], 2, "--base must be more than 0, not -1"),
        (["--shape", "step", "--base", "9", "--peak", "8"], 2, "--peak 8 is below --base 9"),
        (["--shape", "step", "--capacity", "nan"], 2, "--capacity must be more than 0, not nan"),
        (["--trace", "/absent.csv"], 1, "/absent.csv: can't be read"),
        (["--shape", "step", "--policy", "ideal", "--json", "/absent/x.json"], 1, "/absent/x.json: can't be written"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, code, sentence):
    done = CliRunner().invoke(main, ["simulate", *arguments])
    assert (done.exit_code, sentence in done.output) == (code, True), done.output


def test_min_above_max_is_said(monkeypatch):
    monkeypatch.setenv("LIKEWISE_AUTOSCALER_MIN_REPLICAS", "20")
    monkeypatch.setenv("LIKEWISE_AUTOSCALER_MAX_REPLICAS", "10")
    done = CliRunner().invoke(main, ["simulate", "--shape", "step"])
    assert done.exit_code == 1
    assert "min_replicas 20 is above max_replicas 10" in done.output
