"""Many buttons, tabs and people: one request per page, one visitor per browser, and each sees the others."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import NewContext, Open
from tests.support.browser_pages import Api, Heart, button, heart, reads, requests_of, wait_for_events


def test_fifty_buttons_share_one_read(open_own_site: Open, api: Api, context: BrowserContext, post: str) -> None:
    page = open_own_site("")
    seen = requests_of(page)
    _add_buttons(page, post, 50)
    expect(page.locator("like-button .count").last).to_have_text("0")
    assert len(reads(seen)) == 1
    assert reads(seen)[0].count("post=") == 50


def test_reads_of_more_than_a_hundred_posts_are_split(open_own_site: Open, api: Api, post: str) -> None:
    page = open_own_site("")
    seen = requests_of(page)
    _add_buttons(page, post, 130)
    expect(page.locator("like-button .count").last).to_have_text("0")
    expect(page.locator("like-button .count").first).to_have_text("0")
    assert sorted(address.count("post=") for address in reads(seen)[:2]) == [30, 100]


def test_two_buttons_of_a_post_show_the_same_state(open_own_site: Open, api: Api, post: str) -> None:
    page = open_own_site(button(post) + button(post))
    second = Heart(page.locator("like-button").nth(1))
    heart(page, post).tap()
    second.shows(liked=True, count=1)
    assert len(wait_for_events(page, "like")) == 1
    second.tap()
    heart(page, post).shows(liked=False, count=0)


def test_a_changed_post_attribute_is_followed(open_own_site: Open, api: Api, post: str) -> None:
    api.add_likes(f"{post}/b", 3)
    page = open_own_site(button(f"{post}/a", 'count="8"'))
    heart(page, f"{post}/a").tap()
    wait_for_events(page, "like")
    page.locator("like-button").evaluate("(element, post) => { element.setAttribute('post', post) }", f"{post}/b")
    heart(page, f"{post}/b").shows(liked=False, count=3)
    page.locator("like-button").evaluate("(element, post) => { element.setAttribute('post', post) }", f"{post}/a")
    heart(page, f"{post}/a").shows(liked=True, count=1)
    page.route("**/v1/**", lambda route: route.abort())
    page.locator("like-button").evaluate("(element, post) => { element.setAttribute('post', post) }", f"{post}/c")
    # `count` belonged to the first post.
    heart(page, f"{post}/c").shows(liked=False, count="")


def test_the_script_may_be_loaded_twice(open_own_site: Open, api: Api, post: str) -> None:
    page = open_own_site(button(post))
    page.evaluate("import('/like-button.js?again')")
    heart(page, post).tap()
    wait_for_events(page, "like")


def test_a_button_without_a_post_logs_an_error(open_own_site: Open, api: Api, post: str) -> None:
    page = open_own_site("")
    with page.expect_console_message(lambda message: message.type == "error") as logged:
        page.evaluate("document.body.append(document.createElement('like-button'))")
    assert "`post`" in logged.value.text
    expect(page.get_by_role("button")).to_be_disabled()
    page.locator("like-button").evaluate("(element, post) => { element.setAttribute('post', post) }", post)
    heart(page, post).tap()
    wait_for_events(page, "like")


def test_readers_see_each_others_likes_within_a_second(
    open_own_site: Open, new_context: NewContext, api: Api, post: str
) -> None:
    here, there = open_own_site(button(post, "live")), open_own_site(button(post, "live"), new_context())
    heart(there, post).shows(liked=False, count=0)
    heart(here, post).tap()
    wait_for_events(here, "like")
    heart(there, post).shows(liked=False, count=1, within_s=1)
    heart(there, post).tap()
    wait_for_events(there, "like")
    heart(here, post).shows(liked=True, count=2, within_s=1)


def test_a_count_is_refreshed_without_the_live_attribute(open_own_site: Open, api: Api, post: str) -> None:
    page = open_own_site(button(post))
    heart(page, post).shows(liked=False, count=0)
    api.add_likes(post)
    heart(page, post).shows(liked=False, count=1, within_s=4)


def test_unchanged_counts_are_read_less_often(
    open_own_site: Open, api: Api, context: BrowserContext, post: str
) -> None:
    page = open_own_site("")
    page.clock.install(time=0)
    page.clock.pause_at(1_000)
    _add_buttons(page, post, 1)
    heart(page, f"{post}/0").shows(liked=False, count=0)
    seen = requests_of(page)
    for times, pause_ms in enumerate((1_000, 1_500, 2_250)):
        page.clock.run_for(pause_ms - 1)
        assert len(reads(seen)) == times
        with page.expect_request("**/v1/counts?*") as read:
            page.clock.run_for(1)
        read.value.response()
        page.evaluate(
            "fetch('/livez').then((answer) => answer.text())"
            # The script has received the response before this one.
        )
    page.evaluate("""() => {
        Object.defineProperty(document, "hidden", {configurable: true, get: () => true});
        document.dispatchEvent(new Event("visibilitychange"));
    }""")
    seen = requests_of(page)
    page.clock.run_for(60_000)
    assert reads(seen) == []
    with page.expect_request("**/v1/counts?*"):
        page.evaluate("() => { delete document.hidden; document.dispatchEvent(new Event('visibilitychange')) }")


def test_buttons_off_screen_are_not_read(open_own_site: Open, api: Api, post: str) -> None:
    page = open_own_site(button(post, "live") + f'<p style="height: 3000px"></p>{button(f"{post}/below", "live")}')
    heart(page, f"{post}/below").shows(liked=False, count=0)
    seen = requests_of(page)
    with page.expect_request("**/v1/counts?*"), page.expect_request("**/v1/counts?*"):
        pass
    assert all("below" not in address for address in reads(seen))
    api.add_likes(f"{post}/below")
    page.locator("like-button").last.scroll_into_view_if_needed()
    heart(page, f"{post}/below").shows(liked=False, count=1)


def test_tabs_of_a_browser_share_their_state(open_own_site: Open, api: Api, post: str) -> None:
    first, second = open_own_site(button(post)), open_own_site(button(post))
    heart(first, post).shows(liked=False, count=0)
    heart(second, post).tap()
    heart(first, post).shows(liked=True, count=1)
    heart(first, post).tap()
    heart(second, post).shows(liked=False, count=0)
    wait_for_events(first, "unlike")
    assert api.count(post) == 0


# Plain HTTP has no locks.
@pytest.mark.parametrize("locks", ["navigator.locks", "undefined"])
def test_first_taps_on_many_posts_create_one_visitor(
    locks: str, open_other_site: Open, context: BrowserContext, api: Api, post: str
) -> None:
    context.add_init_script(f"Object.defineProperty(navigator, 'locks', {{value: {locks}}})")
    posts = [f"{post}/{at}" for at in range(5)]
    page = open_other_site("".join(button(each) for each in posts))
    visitors = []
    page.on("response", lambda answer: visitors.append(answer.headers.get("likewise-visitor")))
    page.evaluate("""() => {
        for (const each of document.querySelectorAll("like-button")) each.shadowRoot.querySelector("button").click();
    }""")
    wait_for_events(page, "like", 5)
    assert len([token for token in visitors if token]) == 1


def test_first_taps_in_two_tabs_create_one_visitor(open_other_site: Open, api: Api, post: str) -> None:
    tabs = [open_other_site(button(f"{post}/{at}")) for at in range(2)]
    for at, tab in enumerate(tabs):
        heart(tab, f"{post}/{at}").shows(liked=False, count=0)
    # The second tap comes before the first is answered.
    with api.paused():
        for at, tab in enumerate(tabs):
            heart(tab, f"{post}/{at}").tap()
    for tab in tabs:
        wait_for_events(tab, "like")
    token = tabs[0].evaluate("(key) => localStorage.getItem(key)", f"likewise|{api.url}")
    for at in range(2):
        assert api.get(f"/v1/posts/{post}/{at}/like", {"Likewise-Visitor": token, "Origin": _origin(tabs[0])})["liked"]


def test_the_number_of_stored_records_is_limited(open_own_site: Open, api: Api, post: str) -> None:
    page = open_own_site(button(post))
    page.evaluate(
        """(src) => {
        for (let at = 0; at < 320; at++) {
            const as_of = new Date(1e12 + at * 1e6).toISOString();
            localStorage.setItem(`likewise|${src}||old/${at}`, JSON.stringify({liked: true, count: 1, as_of}));
        }
    }""",
        api.url,
    )
    heart(page, post).tap()
    wait_for_events(page, "like")
    kept = page.evaluate("Object.keys(localStorage).filter((key) => key.split('|').length > 3)")
    assert len(kept) == 300
    assert f"likewise|{api.url}||{post}" in kept
    assert f"likewise|{api.url}||old/0" not in kept


def test_the_button_works_without_storage(open_own_site: Open, context: BrowserContext, api: Api, post: str) -> None:
    context.add_init_script(
        """Object.defineProperty(window, "localStorage", {get() { throw new Error("forbidden") }})"""
    )
    page = open_own_site(button(post))
    heart(page, post).tap()
    wait_for_events(page, "like")
    heart(page, post).tap()
    wait_for_events(page, "unlike")
    assert api.count(post) == 0


def _add_buttons(page: Page, post: str, count: int) -> None:
    page.evaluate(
        """([markup, count]) => {
            document.querySelector("main").innerHTML =
                Array.from({length: count}, (_, at) => markup.replace("POST", at)).join("");
        }""",
        [button(f"{post}/POST"), count],
    )


def _origin(page: Page) -> str:
    return str(page.evaluate("location.origin"))
