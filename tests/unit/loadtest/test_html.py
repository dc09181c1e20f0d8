"""The page and the JSON of a run, from a run that is made up; and looking at a number again and again."""

import json
import re
import socket
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import LikewiseError
from service.loadtest.checks.expected import expected
from service.loadtest.checks.freshness import Looks
from service.loadtest.checks.sampler import Watch
from service.loadtest.checks.verdict import Observed, judge
from service.loadtest.generator.distribution import LIKE, UNLIKE
from service.loadtest.generator.http import Requests
from service.loadtest.generator.plan import Options, Target, post_names
from service.loadtest.generator.sender import Sender
from service.loadtest.generator.workload import crowd_of
from service.loadtest.report.charts import exact, linear, logarithmic, nines
from service.loadtest.report.cpu_cost import Costs
from service.loadtest.report.html import page
from service.loadtest.report.results import Results, Watched, results

LIKES = 200
NOBODY = (socket.AF_INET, ("127.0.0.1", 1))
VOID = {"br", "meta", "path", "i"}


def made_up(
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
    """So many likes were sent and answered after 5 to 204 ms; each reader is `off` by so many."""
    options = Options(LIKES, 10, posts, unlikes=unlikes, profile="viral")
    names, crowd = post_names(options.posts), crowd_of(options)
    sender = Sender(Requests(Target("h", 1), names, crowd.post_of, b""), crowd, options, NOBODY)
    tally, looks = sender.tally, Looks()
    for like in range(answered):
        tally.sent = like + 1
        tally.sent_at.append(crowd.schedule.at(like))
        tally.answer(LIKE, like, status, crowd.schedule.at(like) + 0.005 + like / 1_000, again=False)
        if crowd.after[like] == UNLIKE:
            tally.answer(UNLIKE, like, 200, 10, again=False)
            tally.followed_s.append(0.01)
        seen = sum(post == crowd.watched for post in crowd.post_of[: like + 1])
        looks.add(crowd.schedule.at(like) + 1 - too_soon, seen)
    looks.fail("<away>")
    promised = expected(tally, crowd.post_of, options.posts)
    held = {name: getattr(one, counted) + off for name, one in zip(names, promised, strict=True)}
    found = Observed(counted=held, rows=held, shown=held)
    verdict = judge(options, names, tally, promised, found, interrupted=interrupted)
    costs = Costs({"api": 0.1, "drill": own_s})
    watched = None if unlikes else Watched(looks, looks, doubtful=False)
    return results(sender, options, verdict, watched, costs, {"at": "now", "cores": 2, "load_before": 0.5})


class Whole(HTMLParser):
    """Fails unless every tag is closed by its own."""

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
    ("found", "headline"),
    [
        (made_up(), "One number: 200"),
        (made_up(unlikes=0.1), "One number: 180"),
        (made_up(posts=1), "One number: 200"),
        (made_up(off=1), "Not one number"),
        (made_up(off=1, too_soon=30), "Not one number"),  # what counts twice seems to count before it is sent
        (made_up(status=503), "Not one number"),
        (made_up(status=404), "200 likes not acknowledged"),
        (made_up(status=503, counted="least"), "200 likes not acknowledged"),
        (made_up(answered=50, interrupted=True), "Interrupted after 50 likes"),
        (made_up(answered=1, interrupted=True), "Interrupted after 1 likes"),
        (made_up(answered=0, interrupted=True), "Interrupted after 0 likes"),
    ],
)
def test_the_page_is_whole_needs_nothing_and_says_the_verdict_and_each_reason(found: Results, headline: str) -> None:
    text = page(found)
    parser = Whole()
    parser.feed(text)
    assert parser.open == []
    assert re.search("<h1>(.*?)</h1>", text)[1] == headline  # type: ignore[index]
    assert all(reason in text for reason in found.verdict.reasons)
    assert not re.search(r"<script|<link|src=|href=|url\(|@import|\bnan\b|\binf\b|None<", text)
    assert "<away>" not in text


def test_the_json_has_every_number_of_the_page() -> None:
    found = made_up()
    written = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert written["ok"] is True
    assert written["sender_share_of_api"] == pytest.approx(0.2)
    assert written["cpu_us_per_like"] == {"api": 500, "drill": 100}
    assert sum(written["series"]["due"]) == sum(written["series"]["acknowledged"]) == LIKES
    assert written["series"]["step_s"] <= 1
    assert written["answer"]["p50_ms"] == pytest.approx(104)
    assert written["answer"]["max_ms"] == pytest.approx(204)
    assert written["seen"]["of"] == written["verdict"]["posts"][0]["acknowledged"]
    assert written["notes"][0] == "1 looks of a reader failed, the first: <away>"


def test_a_drill_that_costs_too_much_says_so() -> None:
    assert "more than half of the API" in made_up(own_s=0.06).notes[-1]


def test_series_of_an_interrupted_run_end_with_it() -> None:
    assert len(made_up(answered=20, interrupted=True).series.due) < len(made_up().series.due)


@pytest.mark.parametrize(
    ("highest", "labels"),
    [(0, "0 0.2 0.4 0.6 0.8 1"), (1, "0 0.2 0.4 0.6 0.8 1"), (7, "0 2 4 6 8"), (2_400, "0 500 1000 1500 2000 2500")],
)
def test_a_linear_axis_has_round_ticks_to_above_the_highest(highest: float, labels: str) -> None:
    axis = linear(highest, "{:.4g}".format)
    assert " ".join(label for _, label in axis.ticks) == labels
    assert axis.place(highest) <= 1


@given(st.floats(0.01, 1e6), st.floats(0.01, 1e6))
def test_a_logarithmic_axis_holds_both_ends(one: float, other: float) -> None:
    low, high = sorted((one, other))
    axis = logarithmic(low, high, str)
    assert -1e-6 <= axis.place(low) <= axis.place(high) <= 1 + 1e-6
    assert 2 <= len(axis.ticks) <= 9


@given(st.floats(1e-3, 4_000), st.floats(0, 1))
def test_axes_lead_from_one_side_to_the_other(end: float, share: float) -> None:
    assert exact(end, str).place(share * end) == pytest.approx(share)
    assert 0 <= nines(1_000).place(share) <= 1
    assert nines(1_000).place(0.9) == pytest.approx(1 / 3)


def counting(fail_first: int) -> Callable[[], int]:
    looks = iter(range(1_000))

    def look() -> int:
        if (count := next(looks)) < fail_first:
            raise LikewiseError("away")
        return count

    return look


def test_a_watch_looks_until_it_sees_and_keeps_what_failed() -> None:
    with Watch("test", counting(fail_first=2)) as watch:
        watch.wait_for(3, 15)
    assert watch.looks.most >= 3
    assert (watch.looks.failed, watch.looks.problem) == (2, "away")
    assert list(watch.looks.counts) == list(range(2, watch.looks.most + 1))
