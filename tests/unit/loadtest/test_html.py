"""Test the HTML page and the JSON of a run, from a simulated run, and the sampler."""

import io
import json
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from service.errors import LikewiseError
from service.loadtest.checks.expected import expected_counts
from service.loadtest.checks.freshness import Samples
from service.loadtest.checks.lateness import Lateness
from service.loadtest.checks.sampler import Sampler
from service.loadtest.checks.verdict import ObservedState, judge
from service.loadtest.generator.distribution import LIKE, UNLIKE
from service.loadtest.generator.http import Requests
from service.loadtest.generator.plan import Options, Target, post_names
from service.loadtest.generator.sender import Sender
from service.loadtest.generator.workload import build_workload
from service.loadtest.report.charts import exact_axis, linear_axis, log_axis, percentile_axis
from service.loadtest.report.console import show_results
from service.loadtest.report.html import render_page
from service.loadtest.report.notes import PostSamples
from service.loadtest.report.results import Results, build_results
from service.loadtest.usage.meter import Usage

LIKES = 200
NOBODY = (socket.AF_INET, ("127.0.0.1", 1))
VOID = {"br", "meta", "path", "i"}


def simulated_results(
    *,
    answered: int = LIKES,
    off: int = 0,
    status: int = 201,
    unlikes: float = 0.0,
    interrupted: bool = False,
    posts: int = 12,
    counted: str = "most",
    too_soon: float = 0,
    own_s: float = 0.02,
) -> Results:
    """Return the results of a run whose responses took 5 to 204 ms. Each count is wrong by `off`."""
    options = Options(LIKES, 10, posts, unlikes=unlikes, profile="viral")
    names, workload = post_names(options.posts), build_workload(options)
    sender = Sender(Requests(Target("h", 1), names, workload.post_of, b""), workload, options, NOBODY)
    recorder, samples = sender.recorder, Samples()
    for like in range(answered):
        recorder.sent = like + 1
        recorder.sent_at.append(workload.schedule.at(like))
        recorder.record_response(LIKE, like, status, workload.schedule.at(like) + 0.005 + like / 1_000, retried=False)
        if workload.follow_ups[like] == UNLIKE:
            recorder.record_response(UNLIKE, like, 200, 10, retried=False)
            recorder.follow_up_s.append(0.01)
        seen = sum(post == workload.sampled_post for post in workload.post_of[: like + 1])
        samples.add(workload.schedule.at(like) + 1 - too_soon, seen)
    samples.add_failure("<away>")
    expected = expected_counts(recorder, workload.post_of, options.posts)
    counts = {name: getattr(one, counted) + off for name, one in zip(names, expected, strict=True)}
    observed = ObservedState(counted=counts, rows=counts, shown=counts)
    verdict = judge(options, names, recorder, expected, observed, interrupted=interrupted)
    usage = Usage({"api": 0.1, "drill": own_s})
    post_samples = None if unlikes else PostSamples(samples, samples, unknown_may_count=False)
    return build_results(sender, options, verdict, post_samples, usage, {"at": "now", "cores": 2, "load_before": 0.5})


class TagChecker(HTMLParser):
    """A parser that fails unless every tag is closed by its own end tag."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize(
    ("results", "headline"),
    [
        (simulated_results(), "All counts agree: 200"),
        (simulated_results(unlikes=0.1), "All counts agree: 180"),
        (simulated_results(posts=1), "All counts agree: 200"),
        (simulated_results(off=1), "The counts disagree"),
        # A like that counts twice seems to be counted before it is sent.
        (simulated_results(off=1, too_soon=30), "The counts disagree"),
        (simulated_results(status=503), "The counts disagree"),
        (simulated_results(status=404), "200 likes not acknowledged"),
        (simulated_results(status=503, counted="least"), "200 likes not acknowledged"),
        (simulated_results(answered=50, interrupted=True), "Interrupted after 50 likes"),
        (simulated_results(answered=1, interrupted=True), "Interrupted after 1 likes"),
        (simulated_results(answered=0, interrupted=True), "Interrupted after 0 likes"),
    ],
)
def test_the_page_is_well_formed_self_contained_and_shows_the_verdict(results: Results, headline: str) -> None:
    text = render_page(results)
    parser = TagChecker()
    parser.feed(text)
    assert parser.open == []
    assert re.search("<h1>(.*?)</h1>", text)[1] == headline  # type: ignore[index]
    assert all(reason in text for reason in results.verdict.reasons)
    assert not re.search(r"<script|<link|src=|href=|url\(|@import|\bnan\b|\binf\b|None<", text)
    assert "<away>" not in text


def test_the_json_has_the_numbers_of_the_page() -> None:
    written = json.loads(json.dumps(simulated_results().as_json(), allow_nan=False))
    assert written["ok"] is True
    assert written["sender_share_of_api"] == pytest.approx(0.2)
    assert written["cpu_us_per_like"] == {"api": 500, "drill": 100}
    assert sum(written["series"]["due"]) == sum(written["series"]["acknowledged"]) == LIKES
    assert written["series"]["step_s"] <= 1
    assert written["answer"]["p50_ms"] == pytest.approx(104)
    assert written["answer"]["max_ms"] == pytest.approx(204)
    assert written["seen"]["of"] == written["verdict"]["posts"][0]["acknowledged"]
    assert written["notes"][0] == "1 samples of a reader failed, the first: <away>"


def test_the_console_shows_the_pace_before_the_verdict() -> None:
    results = simulated_results()
    late = replace(results, late=Lateness(3, 1, 0.5, 1.5), limit="The limit was NGINX.")
    for shown, sentences in ((results, [results.limit]), (late, [f"{late.late}.", "The limit was NGINX."])):
        output = io.StringIO()
        show_results(Console(file=output, width=200), shown)
        *_, verdict = lines = output.getvalue().splitlines()
        assert lines[-1 - len(sentences) : -1] == sentences == shown.pace
        assert verdict.endswith("all counts agree")
        assert " ".join(sentences) in render_page(shown)


def test_a_load_test_that_uses_much_cpu_is_noted() -> None:
    assert "more than half as much CPU as the API" in simulated_results(own_s=0.06).notes[-1]


def test_the_series_of_an_interrupted_run_end_early() -> None:
    assert len(simulated_results(answered=20, interrupted=True).series.due) < len(simulated_results().series.due)


@pytest.mark.parametrize(
    ("highest", "labels"),
    [(0, "0 0.2 0.4 0.6 0.8 1"), (1, "0 0.2 0.4 0.6 0.8 1"), (7, "0 2 4 6 8"), (2_400, "0 500 1000 1500 2000 2500")],
)
def test_a_linear_axis_has_round_ticks_and_holds_the_highest_value(highest: float, labels: str) -> None:
    axis = linear_axis(highest, "{:.4g}".format)
    assert " ".join(label for _, label in axis.ticks) == labels
    assert axis.place(highest) <= 1


@given(st.floats(0.01, 1e6), st.floats(0.01, 1e6))
def test_a_logarithmic_axis_holds_both_values(one: float, other: float) -> None:
    low, high = sorted((one, other))
    axis = log_axis(low, high, str)
    assert -1e-6 <= axis.place(low) <= axis.place(high) <= 1 + 1e-6
    assert 2 <= len(axis.ticks) <= 9


@given(st.floats(1e-3, 4_000), st.floats(0, 1))
def test_an_axis_maps_its_range_to_0_to_1(end: float, share: float) -> None:
    assert exact_axis(end, str).place(share * end) == pytest.approx(share)
    assert 0 <= percentile_axis(1_000).place(share) <= 1
    assert percentile_axis(1_000).place(0.9) == pytest.approx(1 / 3)


def counter(fail_first: int) -> Callable[[], int]:
    counts = iter(range(1_000))

    def read() -> int:
        if (count := next(counts)) < fail_first:
            raise LikewiseError("away")
        return count

    return read


def test_a_sampler_samples_until_the_count_is_reached_and_counts_failures() -> None:
    with Sampler("test", counter(fail_first=2)) as sampler:
        sampler.wait_for(3, 15)
    assert sampler.samples.highest >= 3
    assert (sampler.samples.failed, sampler.samples.problem) == (2, "away")
    assert list(sampler.samples.counts) == list(range(2, sampler.samples.highest + 1))
