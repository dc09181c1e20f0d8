"""The button's appearance: without JavaScript, in dark mode, without motion, in other languages, without shifts."""

import gzip
import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewContext, Open
from tests.support.browser_pages import SCRIPT, Api, button, heart, wait_for_events

SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => shifts.push(...list.getEntries().map((entry) => entry.value)))
    .observe({type: "layout-shift", buffered: true});
"""


def test_the_script_is_small() -> None:
    assert len(gzip.compress(SCRIPT.read_bytes(), 9)) <= 8 * 1024


def test_without_javascript_a_form_likes(new_context: NewContext, api: Api) -> None:
    page = new_context(java_script_enabled=False).new_page()
    page.goto(api.url)
    form = page.locator("like-button form").first
    post = str(page.locator("like-button").first.get_attribute("post"))
    before = api.count(post)
    expect(form.get_by_role("button")).to_contain_text("♡")
    with page.expect_response(lambda answer: answer.request.method == "POST") as answer:
        form.get_by_role("button").click()
    assert answer.value.status == 303
    expect(form.get_by_role("button")).to_contain_text(f"♥ {before + 1}")
    assert api.count(post) == before + 1


@pytest.mark.parametrize("path", ["/", "/blog/SLUG"])
def test_the_demo_has_no_layout_shifts(path: str, new_context: NewContext, api: Api) -> None:
    context = new_context()
    context.add_init_script(SHIFTS)
    page = context.new_page()
    page.goto(_address(page, api, path))
    element = page.locator("like-button").first
    post = str(element.get_attribute("post"))
    heart(page, post).tap()
    wait_for_events(page, "like")
    # The count grows from one digit to two.
    api.add_likes(post, 10)
    heart(page, post).shows(liked=True, count=api.count(post))
    assert page.evaluate("shifts") == []


def test_the_button_keeps_its_size_for_any_count(open_own_site: Open, api: Api, post: str) -> None:
    page = open_own_site(
        "".join(button(f"{post}/{count}", f'count="{count}"') for count in (0, 99, 999, 2_100, 21_000_000))
    )
    page.route("**/v1/**", lambda route: route.abort())
    page.reload()
    expect(page.locator(".count").last).to_have_text("21M")
    boxes = [each.bounding_box() for each in page.locator("like-button").all()]
    assert len({box["width"] for box in boxes if box}) == 1
    assert all(box and box["width"] >= 44 and box["height"] >= 44 for box in boxes)


@pytest.mark.parametrize(
    ("lang", "count", "shown"),
    [("en", 2_199, "2.1K"), ("en", 21_999, "21K"), ("en", 999, "999"), ("de", 2_199_999, "2,1\N{NO-BREAK SPACE}Mio.")],
)
def test_a_count_is_truncated_and_in_the_language_of_the_page(
    open_own_site: Open, lang: str, count: int, shown: str, post: str
) -> None:
    page = open_own_site(f'<div lang="{lang}">{button(post, f"count={count}")}</div>', lang="fr")
    answer = {"post": post, "count": count, "display": "", "approximate": False, "as_of": "2026-01-01T00:00:00.000000Z"}
    page.route("**/v1/counts?*", lambda route: route.fulfill(body=json.dumps({"counts": [answer]})))
    page.reload()
    heart(page, post).shows(liked=False, count=shown)


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_reduced_motion_is_respected(motion: str, open_own_site: Open, new_context: NewContext, post: str) -> None:
    page = open_own_site(button(post), new_context(reduced_motion=motion))
    moving = page.evaluate("""() => {
        const inside = document.querySelector("like-button").shadowRoot;
        inside.querySelector("button").click();
        return inside.querySelector("svg").getAnimations().length;
    }""")
    assert moving == (0 if motion == "reduce" else 1)
    wait_for_events(page, "like")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/blog/SLUG"])
def test_axe_finds_nothing_serious(path: str, scheme: str, new_context: NewContext, api: Api) -> None:
    page = new_context(color_scheme=scheme).new_page()
    page.goto(_address(page, api, path))
    page.locator("like-button").first.get_by_role("button").click()
    wait_for_events(page, "like")
    found = Axe().run(page).response["violations"]
    assert [(each["id"], each["help"]) for each in found if each["impact"] in {"serious", "critical"}] == []


def test_forced_colours_still_show_what_is_liked(open_own_site: Open, new_context: NewContext, post: str) -> None:
    page = open_own_site(button(post), new_context(forced_colors="active"))
    before = _fill(page)
    heart(page, post).tap()
    wait_for_events(page, "like")
    assert (before, _fill(page)) != ("none", "none")
    assert _fill(page) == page.evaluate(
        """() => {
            const probe = document.body.appendChild(document.createElement("i"));
            probe.style.color = "Highlight";
            return getComputedStyle(probe).color;
        }"""
    )


def test_a_site_may_set_the_style_and_the_label(open_own_site: Open, post: str) -> None:
    style = "<style>like-button { --likewise-color: rgb(0, 128, 0) } ::part(button) { border-radius: 3px }</style>"
    page = open_own_site(style + button(post, 'label-like="Mag ich" label-liked="Mag ich nicht mehr"'))
    named = page.get_by_role("button", name="Mag ich", exact=False)
    expect(named).to_have_css("border-radius", "3px")
    named.click()
    expect(page.get_by_role("button", name="Mag ich nicht mehr")).to_be_visible()
    assert _fill(page) == "rgb(0, 128, 0)"
    wait_for_events(page, "like")


def test_the_button_works_under_a_strict_content_security_policy(
    open_own_site: Open, api: Api, new_context: NewContext, post: str
) -> None:
    policy = (
        "default-src 'none'; img-src data:; script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'"
    )
    page = open_own_site(button(post), policy=policy)
    errors: list[str] = []
    page.on("console", lambda message: message.type == "error" and errors.append(message.text))
    page.reload()
    heart(page, post).tap()
    wait_for_events(page, "like")
    box = heart(page, post).element.bounding_box()
    assert box
    assert box["height"] >= 44
    assert errors == []


def _fill(page: Page) -> str:
    return str(page.locator("like-button svg").evaluate("(heart) => getComputedStyle(heart).fill"))


def _address(page: Page, api: Api, path: str) -> str:
    """Return the address of a demo page. SLUG stands for the first post."""
    if "SLUG" not in path:
        return api.url + path
    page.goto(api.url)
    return str(page.locator("article a").first.evaluate("(link) => link.href"))
