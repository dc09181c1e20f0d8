"""Chromium, the API and a site of another origin, once a session; a page, or several, for each test."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.browser_pages import LISTEN, Api, OtherSite, api_on, document
from tests.support.runner.requirements import program
from tests.support.stack.servers import Servers

PAGES = "/pages-of-tests"

NewContext = Callable[..., BrowserContext]
Open = Callable[..., Page]


@pytest.fixture(scope="package")  # no longer: its loop would be in the way of others' browsers
def browser() -> Iterator[Browser]:
    chromium = program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def _api(_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api_on(_servers, tmp_path_factory.mktemp("api") / "api.log") as api:
        yield api


@pytest.fixture
def api(_api: Api) -> Iterator[Api]:
    """The API, which answers; a test that stops it leaves it to the next one running."""
    yield _api
    if not _api.answers():
        _api.start()


@pytest.fixture
def strict_api(_servers: Servers, tmp_path: Path) -> Iterator[Api]:
    """Another API on the same servers, which lets one new visitor in a day."""
    with api_on(_servers, tmp_path / "api.log", NEW_VISITOR_LIMIT="1/day", UNLIMITED_NETWORKS="") as api:
        yield api


@pytest.fixture(scope="session")
def other_site() -> Iterator[OtherSite]:
    site = OtherSite()
    yield site
    site.close()


@pytest.fixture
def post() -> str:
    """The id of a post that nobody knows yet."""
    return f"blog/{secrets.token_hex(4)}"


@pytest.fixture
def new_context(browser: Browser) -> Iterator[NewContext]:
    """Makes browser contexts: each is another person's browser. A script that fails on a page fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def new(**options: object) -> BrowserContext:
        context = browser.new_context(**options)
        context.set_default_timeout(10_000)
        context.add_init_script(LISTEN)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        contexts.append(context)
        return context

    yield new
    for context in contexts:
        context.close()
    assert not errors


@pytest.fixture
def context(new_context: NewContext) -> BrowserContext:
    return new_context()


@pytest.fixture
def own(api: Api, context: BrowserContext) -> Open:
    """Opens a page of the API's own origin with some markup; in another context where one is given."""

    def open_page(body: str, within: BrowserContext = context, policy: str = "", **options: str) -> Page:
        page = within.new_page()
        html = document(body, "/like-button.js", **options)
        headers = {"Content-Type": "text/html", "Content-Security-Policy": policy}
        page.route(api.url + PAGES, lambda route: route.fulfill(body=html, headers=headers))
        page.goto(api.url + PAGES)
        return page

    return open_page


@pytest.fixture
def other(api: Api, other_site: OtherSite, context: BrowserContext) -> Open:
    """Opens a page of another origin with some markup; nothing between it and the API is rerouted."""

    def open_page(body: str, within: BrowserContext = context, **options: str) -> Page:
        page = within.new_page()
        page.goto(other_site.page(document(body, f"{api.url}/like-button.js", **options)))
        return page

    return open_page
