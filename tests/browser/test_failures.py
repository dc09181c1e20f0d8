"""Failures of the server or the network: a like is sent again and counted once, or taken back with a message."""

import time

from playwright.sync_api import BrowserContext, Request, Route, expect

from tests.browser.conftest import Open
from tests.support.browser_pages import (
    Api,
    OtherSite,
    button,
    document,
    events,
    heart,
    likes_and_unlikes,
    requests_of,
    wait_for_events,
)
from tests.support.waiting import wait_for


def test_an_unavailable_server_rolls_back_with_a_toast(open_other_site: Open, api: Api, post: str) -> None:
    api.add_likes(post, 4)
    page = open_other_site(button(post))
    warnings: list[str] = []
    page.on("console", lambda message: message.type == "warning" and warnings.append(message.text))
    heart(page, post).shows(liked=False, count=4)
    api.stop()
    heart(page, post).tap()
    heart(page, post).shows(liked=True, count=5, within_s=1)
    (detail,) = wait_for_events(page, "error")
    assert detail == {"post": post, "status": 0, "problem": None, "reason": "unavailable"}
    expect(heart(page, post).toast).to_contain_text("does not answer")
    heart(page, post).shows(liked=False, count=4)
    assert page.evaluate("bubbled") == []
    assert len([text for text in warnings if "LIKEWISE_SITES" in text]) == 1

    api.start()
    heart(page, post).tap()
    wait_for_events(page, "like")
    expect(heart(page, post).toast).to_be_hidden()
    heart(page, post).shows(liked=True, count=5)
    assert api.count(post) == 5


def test_a_server_that_recovers_in_time_receives_the_like(open_own_site: Open, api: Api, post: str) -> None:
    page = open_own_site(button(post))
    heart(page, post).shows(liked=False, count=0)
    api.stop()
    with page.expect_event("requestfailed"):
        heart(page, post).tap()
    api.start()
    wait_for_events(page, "like")
    assert (api.count(post), events(page, "error")) == (1, [])


def test_a_like_made_offline_is_sent_once_online(
    open_own_site: Open, api: Api, context: BrowserContext, post: str
) -> None:
    page = open_own_site(button(post))
    heart(page, post).shows(liked=False, count=0)
    seen = requests_of(page)
    context.set_offline(True)
    heart(page, post).tap()
    heart(page, post).shows(liked=True, count=1)
    assert likes_and_unlikes(seen) == []
    context.set_offline(False)
    wait_for_events(page, "like")
    assert (api.count(post), likes_and_unlikes(seen)) == (1, ["PUT"])


def test_a_like_made_offline_is_sent_by_the_next_page(
    open_own_site: Open, api: Api, context: BrowserContext, post: str
) -> None:
    page = open_own_site(button(post))
    heart(page, post).shows(liked=False, count=0)
    context.set_offline(True)
    heart(page, post).tap()
    heart(page, post).shows(liked=True, count=1)
    page.close()
    context.set_offline(False)
    open_own_site(button("another-post"))
    wait_for(lambda: api.count(post) == 1)


def test_an_unsent_like_older_than_a_day_is_dropped(open_own_site: Open, api: Api, post: str) -> None:
    page = open_own_site(button(post))
    heart(page, post).shows(liked=False, count=0)
    record = """([key, at]) => localStorage.setItem(key, JSON.stringify(
        {liked: false, count: 0, as_of: "", wish: {liked: true, at: Date.now() - at}}))"""
    page.evaluate(record, [f"likewise|{api.url}||{post}", 86_400_001])
    seen = requests_of(page)
    page.reload()
    heart(page, post).shows(liked=False, count=0)
    assert likes_and_unlikes(seen) == []


def test_a_like_with_a_lost_response_counts_once(open_other_site: Open, api: Api, post: str) -> None:
    page = open_other_site(button(post) + button(f"{post}/2"))
    heart(page, f"{post}/2").tap()
    # The visitor has a token now.
    wait_for_events(page, "like")
    page.route("**/like", _lose_the_answer, times=1)
    heart(page, post).tap()
    assert wait_for_events(page, "like", 2)[1]["count"] == 1
    assert api.count(post) == 1


def test_a_first_like_with_a_lost_response_counts_once(open_other_site: Open, api: Api, post: str) -> None:
    page = open_other_site(button(post))
    page.route("**/like", _lose_the_answer, times=1)
    heart(page, post).tap()
    assert wait_for_events(page, "like")[0]["count"] == 1
    assert api.count(post) == 1


def test_a_lost_request_is_sent_again(open_other_site: Open, api: Api, post: str) -> None:
    page = open_other_site(button(post))
    page.route("**/like", lambda route: route.abort(), times=1)
    seen = requests_of(page)
    heart(page, post).tap()
    wait_for_events(page, "like")
    assert (api.count(post), likes_and_unlikes(seen)) == (1, ["PUT", "PUT"])


def test_a_like_survives_leaving_the_page(open_other_site: Open, api: Api, other_site: OtherSite, post: str) -> None:
    page = open_other_site(button(f"{post}/first") + button(post))
    heart(page, f"{post}/first").tap()
    # The first like of a visitor waits for a lock between tabs, too long for this test.
    wait_for_events(page, "like")
    elsewhere = other_site.page("<title>Elsewhere</title>")
    # The page is gone before the preflight is answered.
    with api.paused():
        page.evaluate(
            """(elsewhere) => {
                document.querySelectorAll("like-button")[1].shadowRoot.querySelector("button").click();
                location.href = elsewhere;
            }""",
            elsewhere,
        )
        expect(page).to_have_title("Elsewhere")
    wait_for(lambda: api.count(post) == 1)


def test_an_exceeded_limit_has_its_own_message(
    strict_api: Api, other_site: OtherSite, context: BrowserContext, post: str
) -> None:
    # The only new visitor of this day.
    strict_api.add_likes(post)
    page = context.new_page()
    markup = button(post, 'text-limited="Langsam, bitte."')
    page.goto(other_site.page(document(markup, f"{strict_api.url}/like-button.js")))
    seen = requests_of(page)
    heart(page, post).shows(liked=False, count=1)
    heart(page, post).tap()
    (detail,) = wait_for_events(page, "error")
    assert (detail["status"], detail["reason"], detail["problem"]["status"]) == (429, "refused", 429)
    expect(heart(page, post).toast).to_have_text("Langsam, bitte.")
    heart(page, post).shows(liked=False, count=1)
    assert likes_and_unlikes(seen) == ["PUT"]


def test_an_older_response_is_ignored(open_own_site: Open, api: Api, post: str) -> None:
    page = open_own_site(button(post, "live"))
    heart(page, post).shows(liked=False, count=0)
    old = api.get(f"/v1/counts?post={post}")
    heart(page, post).tap()
    wait_for_events(page, "like")
    stale = old["counts"][0] | {"count": 77}
    page.route("**/v1/counts?*", lambda route: route.fulfill(json={"counts": [stale]}))
    for _ in range(2):
        page.wait_for_event("requestfinished", _is_count)
    heart(page, post).shows(liked=True, count=1)


def test_a_count_does_not_flicker_while_a_like_is_pending(open_own_site: Open, api: Api, post: str) -> None:
    page = open_own_site(button(post, "live"))
    heart(page, post).shows(liked=False, count=0)
    held: list[Route] = []
    page.route("**/like", lambda route: held.append(route))
    # It includes the pending like.
    counted = {"post": post, "count": 1, "as_of": "2999-01-01T00:00:00.000000Z"}
    page.route("**/v1/counts?*", lambda route: route.fulfill(json={"counts": [counted]}))
    heart(page, post).tap()
    for _ in range(2):
        page.wait_for_event("requestfinished", _is_count)
    heart(page, post).shows(liked=True, count=1)
    held[0].continue_()
    wait_for_events(page, "like")
    heart(page, post).shows(liked=True, count=1)


def test_retry_after_is_respected(open_own_site: Open, api: Api, post: str) -> None:
    page = open_own_site(button(post))
    busy = {"Retry-After": "1", "Content-Type": "application/problem+json"}
    page.route("**/like", lambda route: route.fulfill(status=503, headers=busy, json={"status": 503}), times=1)
    at: list[float] = []
    page.on("request", lambda request: request.method == "PUT" and at.append(time.monotonic()))
    heart(page, post).tap()
    wait_for_events(page, "like")
    # Without Retry-After, it waits for 0.6 s at most.
    assert at[1] - at[0] >= 0.95
    assert api.count(post) == 1


def test_the_last_tap_of_two_offline_tabs_wins(
    open_own_site: Open, api: Api, context: BrowserContext, post: str
) -> None:
    first, second = open_own_site(button(post)), open_own_site(button(post))
    for tab in (first, second):
        heart(tab, post).shows(liked=False, count=0)
    context.set_offline(True)
    heart(first, post).tap()
    heart(second, post).shows(liked=True, count=1)
    heart(second, post).tap()
    heart(first, post).shows(liked=False, count=0)
    heart(first, post).tap()
    heart(second, post).shows(liked=True, count=1)
    context.set_offline(False)
    first.wait_for_function("() => fired.length")
    for tab in (first, second):
        heart(tab, post).shows(liked=True, count=1)
    assert api.count(post) == 1


def test_a_toast_disappears(open_own_site: Open, api: Api, post: str) -> None:
    page = open_own_site(button(post))
    page.clock.install()
    page.route("**/like", lambda route: route.fulfill(status=403, json={"status": 403}))
    heart(page, post).tap()
    expect(heart(page, post).toast).to_have_text("That was not accepted.")
    page.clock.run_for(6_000)
    expect(heart(page, post).toast).to_be_hidden()


def test_a_wrong_state_is_corrected_silently(open_own_site: Open, api: Api, post: str) -> None:
    api.add_likes(post, 3)
    page = open_own_site(button(post, 'count="41" liked'))
    # Everybody gets the count. Only the visitor gets the state of their own like.
    heart(page, post).shows(liked=True, count=3)
    expect(heart(page, post).toast).to_be_hidden()
    heart(page, post).tap()
    wait_for_events(page, "unlike")
    heart(page, post).shows(liked=False, count=3)


def _is_count(request: Request) -> bool:
    return "/v1/counts?" in request.url


def _lose_the_answer(route: Route) -> None:
    route.fetch()
    route.abort()
