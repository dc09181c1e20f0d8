"""Chromium, the API and a site of another origin, once per session, and pages for each test."""

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


# Not for the session: Playwright's event loop would disturb the browsers of other folders.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    chromium = program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


# No longer than this folder: its load reports would be in the Redis of other tests.
@pytest.fixture(scope="package")
def _api(_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api_on(_servers, tmp_path_factory.mktemp("api") / "api.log") as api:
        yield api


@pytest.fixture
def api(_api: Api) -> Iterator[Api]:
    """Return the API. If a test has stopped it, start it again."""
    yield _api
    if not _api.answers():
        _api.start()


@pytest.fixture
def strict_api(_servers: Servers, tmp_path: Path) -> Iterator[Api]:
    """Run another API on the same servers, which allows one new visitor per day."""
    with api_on(_servers, tmp_path / "api.log", NEW_VISITOR_LIMIT="1/day", UNLIMITED_NETWORKS="") as api:
        yield api


@pytest.fixture(scope="session")
def other_site() -> Iterator[OtherSite]:
    site = OtherSite()
    yield site
    site.close()


@pytest.fixture
def post() -> str:
    """Return the id of a post without likes."""
    return f"blog/{secrets.token_hex(4)}"


@pytest.fixture
def new_context(browser: Browser) -> Iterator[NewContext]:
    """Yield a function that makes browser contexts, one per person. An error of a page's script fails the test."""
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
def open_own_site(api: Api, context: BrowserContext) -> Open:
    """Return a function that opens a page of the API's own origin with some markup."""

    def open_page(body: str, within: BrowserContext = context, policy: str = "", **options: str) -> Page:
        page = within.new_page()
        html = document(body, "/like-button.js", **options)
        headers = {"Content-Type": "text/html", "Content-Security-Policy": policy}
        page.route(api.url + PAGES, lambda route: route.fulfill(body=html, headers=headers))
        page.goto(api.url + PAGES)
        return page

    return open_page


@pytest.fixture
def open_other_site(api: Api, other_site: OtherSite, context: BrowserContext) -> Open:
    """Return a function that opens a page of another origin with some markup."""

    def open_page(body: str, within: BrowserContext = context, **options: str) -> Page:
        page = within.new_page()
        page.goto(other_site.page(document(body, f"{api.url}/like-button.js", **options)))
        return page

    return open_page
