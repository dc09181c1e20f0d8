"""A tap: at once, counted once, remembered; by mouse and keyboard, on the API's own pages and on other sites'."""

import time

import jwt
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import NewContext, Open
from tests.support.browser_pages import (
    JWT_AUDIENCE,
    JWT_SECRET,
    Api,
    button,
    events,
    heart,
    likes_and_unlikes,
    requests_of,
    wait_for_events,
)


@pytest.fixture(params=["open_own_site", "open_other_site"])
def opened(request: pytest.FixtureRequest) -> Open:
    """Return a function that opens pages of the API's origin, and one for another origin."""
    return request.getfixturevalue(request.param)


def test_a_tap_likes_and_a_second_one_unlikes(opened: Open, api: Api, post: str) -> None:
    api.add_likes(post, 2)
    page = opened(button(post))
    heart(page, post).shows(liked=False, count=2)
    heart(page, post).tap()
    assert wait_for_events(page, "like") == [{"post": post, "liked": True, "count": 3}]
    heart(page, post).shows(liked=True, count=3)
    assert api.count(post) == 3
    heart(page, post).tap()
    assert wait_for_events(page, "unlike") == [{"post": post, "liked": False, "count": 2}]
    assert page.evaluate("bubbled") == ["like", "unlike"]
    assert api.count(post) == 2


def test_the_heart_fills_before_the_server_answers(open_own_site: Open, api: Api, post: str) -> None:
    page = open_own_site(button(post, 'count="7"'))
    heart(page, post).shows(liked=False, count=0)
    shown = page.evaluate(
        """(post) => {
            const inside = document.querySelector("like-button").shadowRoot;
            inside.querySelector("button").click();
            return [inside.querySelector("button").ariaPressed, inside.querySelector(".count").textContent];
        }""",
        post,
    )
    assert shown == ["true", "1"]
    wait_for_events(page, "like")


def test_a_like_is_remembered_after_a_reload(opened: Open, api: Api, post: str) -> None:
    page = opened(button(post))
    heart(page, post).tap()
    wait_for_events(page, "like")
    # Only the browser's storage is left.
    page.route("**/v1/**", lambda route: route.abort())
    page.reload()
    heart(page, post).shows(liked=True, count=1)


def test_the_button_works_with_the_keyboard_alone(open_own_site: Open, api: Api, post: str) -> None:
    page = open_own_site(button(post))
    heart(page, post).shows(liked=False, count=0)
    page.keyboard.press("Tab")
    expect(heart(page, post).button).to_be_focused()
    page.keyboard.press("Enter")
    wait_for_events(page, "like")
    page.keyboard.press("Space")
    wait_for_events(page, "unlike")
    heart(page, post).shows(liked=False, count=0)


def test_own_taps_are_announced_and_others_are_not(open_own_site: Open, api: Api, post: str) -> None:
    page = open_own_site(button(post, 'live text-liked="Gefällt dir" text-unliked="Zurückgenommen"'))
    heart(page, post).shows(liked=False, count=0)
    status = heart(page, post).element.get_by_role("status")
    api.add_likes(post)
    heart(page, post).shows(liked=False, count=1)
    expect(status).to_have_text("")
    heart(page, post).tap()
    expect(status).to_have_text("Gefällt dir")
    heart(page, post).tap()
    expect(status).to_have_text("Zurückgenommen")
    wait_for_events(page, "unlike")


def test_fast_taps_end_in_the_last_state(open_own_site: Open, api: Api, post: str) -> None:
    page = open_own_site(button(post))
    heart(page, post).shows(liked=False, count=0)
    seen = requests_of(page)
    _tap_at_once(page, 7)
    heart(page, post).shows(liked=True, count=1)
    page.wait_for_function("fired.length")
    _tap_at_once(page, 4)
    _tap_at_once(page, 5)
    nothing_left = "(key) => fired.at(-1)[0] == 'unlike' && !JSON.parse(localStorage.getItem(key)).wish"
    page.wait_for_function(nothing_left, arg=f"likewise|{api.url}||{post}")
    assert (api.count(post), heart(page, post).button.get_attribute("aria-pressed")) == (0, "false")
    assert likes_and_unlikes(seen)[-1] == "DELETE"
    # One at a time, not one per tap.
    assert len(likes_and_unlikes(seen)) <= 5


def test_a_post_id_may_hold_all_allowed_characters(open_other_site: Open, api: Api, post: str) -> None:
    odd = f"{post}/a.b_c:d~e-f"
    page = open_other_site(button(odd, f'src="{api.url}/"'))
    heart(page, odd).tap()
    assert wait_for_events(page, "like")[0]["post"] == odd
    assert api.count(odd) == 1


def test_a_user_is_the_same_actor_in_every_browser(
    open_other_site: Open, api: Api, post: str, new_context: NewContext
) -> None:
    token = _token("user|1", 300)
    first = open_other_site(button(post, f'token="{token}"'))
    heart(first, post).tap()
    wait_for_events(first, "like")
    second = open_other_site(button(post, f'token="{token}"'), new_context())
    heart(second, post).shows(liked=True, count=1)
    assert first.evaluate("Object.keys(localStorage)") == [f"likewise|{api.url}|user%7C1|{post}"]


def test_a_new_token_of_a_user_is_used(open_other_site: Open, api: Api, post: str, new_context: NewContext) -> None:
    good, old = _token("user|2", 300), _token("user|2", -300)
    first = open_other_site(button(post, f'token="{good}"'), new_context())
    heart(first, post).tap()
    wait_for_events(first, "like")
    page = open_other_site(button(post, f'token="{old}"'))
    heart(page, post).shows(liked=False, count=1)
    page.locator("like-button").evaluate("(element, token) => element.setAttribute('token', token)", good)
    heart(page, post).shows(liked=True, count=1)


def test_on_the_services_own_origin_only_the_cookie_holds_the_token(
    open_own_site: Open, context: BrowserContext, api: Api, post: str
) -> None:
    page = open_own_site(button(post))
    heart(page, post).tap()
    wait_for_events(page, "like")
    (cookie,) = [each for each in context.cookies(api.url) if each["name"] == "likewise_visitor"]
    assert cookie["httpOnly"]
    assert cookie["value"] not in page.evaluate("JSON.stringify({...localStorage}) + document.cookie")


def test_a_users_bad_token_is_refused(open_other_site: Open, api: Api, post: str) -> None:
    page = open_other_site(button(post, 'token="no.jwt.atall"'))
    heart(page, post).tap()
    (detail,) = wait_for_events(page, "error")
    assert (detail["status"], detail["reason"], detail["post"]) == (401, "refused", post)
    assert detail["problem"]["status"] == 401
    heart(page, post).shows(liked=False, count=0)


def test_a_visitors_bad_token_is_discarded(open_other_site: Open, api: Api, post: str) -> None:
    page = open_other_site(button(post))
    key = f"likewise|{api.url}"
    page.evaluate("(key) => localStorage.setItem(key, '1.forged')", key)
    page.reload()
    heart(page, post).tap()
    wait_for_events(page, "like")
    heart(page, post).shows(liked=True, count=1)
    assert page.evaluate("(key) => localStorage.getItem(key)", key) not in {"1.forged", None}
    assert events(page, "error") == []


def _token(user: str, lives_s: int) -> str:
    claims = {"sub": user, "aud": JWT_AUDIENCE, "exp": int(time.time()) + lives_s}
    return jwt.encode(claims, JWT_SECRET, "HS256")


def _tap_at_once(page: Page, times: int) -> None:
    page.evaluate(
        """(times) => {
            const inside = document.querySelector("like-button").shadowRoot.querySelector("button");
            for (let at = 0; at < times; at++) inside.click();
        }""",
        times,
    )
