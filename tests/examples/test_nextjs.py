"""examples/nextjs: installed, built (which checks its types) and started, in front of a real Likewise."""

import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.cookiejar import Cookie, CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Locator, Page, Request, expect

from service.devstack.processes import free_ports
from tests.examples.conftest import (
    EXAMPLES,
    Server,
    check_like_is_remembered,
    likewise_on,
    running,
)
from tests.support.runner.requirements import program
from tests.support.stack.servers import Servers

# The first test waits for the build.
pytestmark = [pytest.mark.timeout(300), pytest.mark.requires("node", "npm")]

# New visitors of one address per minute.
NEW_READERS = 20
QUIET = {"NEXT_TELEMETRY_DISABLED": "1"}
UNAVAILABLE = "Likes are temporarily unavailable; try again."
FORGED = "1.AAAAAAAAAAAAAAAAAAAAAA." + "A" * 43
BUTTON = "button[aria-pressed]"


class Reader:
    """A visitor behind the blog's own proxy, which sets the address."""

    def __init__(self, blog: Server, address: str) -> None:
        self._likes, self._address = blog.url + "/api/likes", address
        self.jar = CookieJar()

    def read(self, slug: str) -> tuple[int, dict[str, Any]]:
        return self.ask(f"?{urlencode({'slug': slug})}")

    def send(self, slug: object, action: str) -> tuple[int, dict[str, Any]]:
        return self.ask("", json.dumps({"slug": slug, "action": action}).encode())

    def ask(self, query: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, Any]]:
        """Return the status and JSON of a response. Its headers stay in `headers`."""
        headers = {"X-Forwarded-For": self._address, "Content-Type": "application/json"} | headers
        request = urllib.request.Request(self._likes + query, data=body, headers=headers)
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        try:
            answer = opener.open(request, timeout=15)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            self.headers = answer.headers
            return answer.status, json.load(answer)

    @property
    def cookie(self) -> Cookie:
        """Return the only cookie that the blog has set."""
        (cookie,) = self.jar
        return cookie


@pytest.fixture(scope="module")
def pod(empty_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a pod for these tests alone, because they stop it."""
    log = tmp_path_factory.mktemp("nextjs") / "api.log"
    limit = f"{NEW_READERS}/minute"
    with likewise_on(empty_servers, log, NEW_VISITOR_LIMIT=limit, SITES="http://127.0.0.1:*") as server:
        yield server


@pytest.fixture(scope="module")
def built() -> Iterator[Path]:
    """Build the app in its own folder. It is removed at the end, because it has hundreds of megabytes."""
    npm = program("npm")
    with tempfile.TemporaryDirectory(prefix="likewise-nextjs-") as folder:
        app = Path(folder) / "app"
        shutil.copytree(EXAMPLES / "nextjs", app, ignore=shutil.ignore_patterns("node_modules", ".next"))
        for command in (["ci", "--prefer-offline"], ["run", "build"]):
            done = subprocess.run([npm, *command], cwd=app, capture_output=True, text=True, env=os.environ | QUIET)
            assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
        yield app


@pytest.fixture(scope="module")
def blog(built: Path, pod: Server) -> Iterator[Server]:
    """Run `next start`, with the pod behind its route."""
    port = free_ports(1)[0]
    argv = [program("node"), "node_modules/next/dist/bin/next", "start", "-H", "127.0.0.1", "-p", str(port)]
    env = QUIET | {"LIKEWISE_URL": pod.url}
    with running(argv, env, port=port, ready="/blog/ready", log=built / "next.log", cwd=built) as server:
        yield server


@pytest.fixture
def button(page: Page, blog: Server, post: str) -> Locator:
    """Return the blog's own button in Chromium, once it shows a count."""
    page.goto(f"{blog.url}/blog/{post}")
    button = page.locator(BUTTON)
    expect(button).to_contain_text("Like 0")
    return button


def test_a_visitor_counts_once_and_can_unlike(blog: Server, post: str) -> None:
    reader = Reader(blog, "203.0.113.1")
    assert reader.read(post) == (200, {"likes": 0, "liked": False})
    for _ in range(2):
        assert reader.send(post, "like") == (200, {"likes": 1, "liked": True})
    assert reader.read(post) == (200, {"likes": 1, "liked": True})
    assert reader.send(post, "unlike") == (200, {"likes": 0, "liked": False})


def test_two_readers_count_twice(blog: Server, post: str) -> None:
    one, two = Reader(blog, "203.0.113.2"), Reader(blog, "203.0.113.2")
    assert one.send(post, "like") == (200, {"likes": 1, "liked": True})
    assert two.read(post)[1]["liked"] is False
    assert two.send(post, "like") == (200, {"likes": 2, "liked": True})


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_token_is_in_a_cookie_that_no_script_reads(blog: Server, post: str, scheme: str) -> None:
    reader = Reader(blog, "203.0.113.3")
    body = json.dumps({"slug": post, "action": "like"}).encode()
    assert reader.ask("", body, **{"X-Forwarded-Proto": scheme})[0] == 200
    cookie = reader.cookie
    assert (cookie.name, cookie.path, cookie.secure) == ("likewise_visitor", "/", scheme == "https")
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "lax"
    assert reader.headers["Likewise-Visitor"] is None


def test_an_invalid_token_is_replaced(blog: Server, post: str) -> None:
    reader = Reader(blog, "203.0.113.4")
    reader.send(post, "like")
    reader.cookie.value = FORGED
    assert reader.read(post) == (200, {"likes": 1, "liked": False})
    assert not list(reader.jar)
    reader.send(post, "like")
    reader.cookie.value = FORGED
    assert reader.send(post, "like") == (200, {"likes": 3, "liked": True})
    assert reader.cookie.value != FORGED


@pytest.mark.parametrize(
    ("query", "body", "status", "message"),
    [
        ("", None, 400, "slug is not"),
        ("?slug=..", None, 400, "slug is not"),
        ("?slug=a%20b", None, 400, "slug is not"),
        ("", b'{"slug":"a b","action":"like"}', 400, "slug is not"),
        ("", b'{"slug":7,"action":"like"}', 400, "slug is not"),
        ("", b'{"slug":"a","action":"love"}', 400, "action is neither"),
        ("", b"no json", 400, "slug is not"),
        ("", b"null", 400, "slug is not"),
    ],
)
def test_bad_input_is_refused(blog: Server, query: str, body: bytes | None, status: int, message: str) -> None:
    reader = Reader(blog, "203.0.113.5")
    answered, problem = reader.ask(query, body)
    assert (answered, problem["error"].startswith(message)) == (status, True)


def test_a_foreign_form_cannot_like(blog: Server, post: str) -> None:
    body = json.dumps({"slug": post, "action": "like"}).encode()
    assert Reader(blog, "203.0.113.6").ask("", body, **{"Content-Type": "text/plain"})[0] == 415


def test_new_readers_are_limited_by_their_own_address(blog: Server, post: str) -> None:
    for _ in range(NEW_READERS):
        assert Reader(blog, "203.0.113.7").send(post, "like")[0] == 200
    reader = Reader(blog, "203.0.113.7")
    assert reader.send(post, "like") == (429, {"error": "Too many likes from here; try again later."})
    assert int(reader.headers["Retry-After"]) >= 1
    assert Reader(blog, "203.0.113.8").send(post, "like") == (200, {"likes": NEW_READERS + 1, "liked": True})


def test_without_likewise_the_route_answers_503(blog: Server, pod: Server, post: str) -> None:
    reader = Reader(blog, "203.0.113.9")
    with pod.stopped():
        assert reader.send(post, "like") == (503, {"error": UNAVAILABLE})
        assert reader.read(post) == (503, {"error": UNAVAILABLE})
    assert reader.send(post, "like") == (200, {"likes": 1, "liked": True})


def test_a_click_likes_and_another_unlikes(page: Page, button: Locator) -> None:
    button.click()
    expect(button).to_contain_text("Like 1")
    expect(button).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(button).to_contain_text("Like 1")
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    expect(button).to_contain_text("Like 0")
    expect(button).to_have_attribute("aria-pressed", "false")


def test_quick_clicks_are_sent_in_their_order(page: Page, button: Locator) -> None:
    sent = []

    def is_third(request: Request) -> bool:
        sent.append(request.post_data_json["action"])
        return len(sent) == 3

    with page.expect_event("requestfinished", is_third):
        button.click(click_count=3)
    assert sent == ["like", "unlike", "like"]
    expect(button).to_contain_text("Like 1")
    page.reload()
    expect(button).to_contain_text("Like 1")
    expect(button).to_have_attribute("aria-pressed", "true")


def test_the_button_takes_back_a_like_that_was_not_counted(pod: Server, page: Page, button: Locator) -> None:
    with pod.hanging():
        button.click()
        # Before the route gives up.
        expect(button).to_contain_text("Like 1", timeout=2_500)
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_role("status")).to_have_text(UNAVAILABLE)
        expect(button).to_contain_text("Like 0")
        expect(button).to_have_attribute("aria-pressed", "false")


def test_the_element_works_in_react(page: Page, blog: Server, post: str) -> None:
    page.goto(f"{blog.url}/element/{post}")
    check_like_is_remembered(page)
