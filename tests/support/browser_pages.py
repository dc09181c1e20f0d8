"""Support for browser tests: the API as a process, a site of another origin, and a button on a page."""

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Locator, Page, Request, expect

from service.devstack.processes import free_ports, kill_group, spawn, tail, terminate
from tests.support.stack.processes import environment
from tests.support.stack.servers import Servers
from tests.support.waiting import wait_for

SCRIPT = Path(__file__).parents[2] / "service" / "static" / "like-button.js"
JWT_SECRET = secrets.token_urlsafe(48)
JWT_AUDIENCE = "likewise-tests"
# Every event of a button, and what reaches the window by bubbling, which an `error` must not.
LISTEN = """
window.fired = []; window.bubbled = [];
for (const type of ["like", "unlike", "error"]) {
  addEventListener(type, (event) => event.detail && fired.push([type, event.detail]), true);
  addEventListener(type, (event) => bubbled.push(type));
}
"""


@dataclass
class Api:
    """The API in its own process, which a test may stop and start again."""

    env: dict[str, str]
    log: Path
    port: int = field(default_factory=lambda: free_ports(1)[0])
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [
            "-c",
            "service/server/gunicorn_conf.py",
            "--bind",
            f"127.0.0.1:{self.port}",
            "service.server.wsgi:app",
        ]
        self.process = spawn([sys.executable, "-m", "gunicorn", *options], log=self.log, env=self.env)
        wait_for(lambda: self.answers() or self._has_died())

    def stop(self) -> None:
        """Kill it. Nothing listens on its port any more."""
        assert self.process is not None
        kill_group(self.process)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Accept connections, but answer nothing until the end of the block."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)

    def answers(self) -> bool:
        try:
            return bool(self.get("/livez"))
        except OSError:
            return False

    def get(self, path: str, headers: dict[str, str] | None = None) -> dict:
        request = urllib.request.Request(self.url + path, headers=headers or {})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def count(self, post: str) -> int:
        """Return the current count. A request of a known visitor bypasses the cache of counts."""
        return int(self.get(f"/v1/posts/{post}/like", {"Likewise-Visitor": self.visitor})["count"])

    def add_likes(self, post: str, count: int = 1) -> None:
        """Add a like of each of `count` new visitors."""
        for _ in range(count):
            self._put(post)

    @cached_property
    def visitor(self) -> str:
        """The token of a visitor that no browser uses."""
        return self._put("a-post-of-no-test")

    def _put(self, post: str) -> str:
        request = urllib.request.Request(f"{self.url}/v1/posts/{post}/like", method="PUT")
        with urllib.request.urlopen(request, timeout=5) as answer:
            return str(answer.headers["Likewise-Visitor"])

    def _has_died(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"The API did not start:\n{tail(self.log, 20)}"
        return False


@contextmanager
def api_on(servers: Servers, log: Path, **changes: str) -> Iterator[Api]:
    """Run an API until the end of the block."""
    generous = dict.fromkeys(("NEW_VISITOR_LIMIT", "ACTOR_LIMIT", "NETWORK_LIMIT"), "1000000/minute")
    own = {
        "SECRET": secrets.token_urlsafe(30),
        "SITES": "http://localhost:*",
        "DEMO": "true",
        "JWT_ALGORITHMS": "HS256",
        "JWT_KEYS": JWT_SECRET,
        "JWT_AUDIENCE": JWT_AUDIENCE,
    }
    named = {f"LIKEWISE_{name}": value for name, value in (generous | own | changes).items()}
    api = Api(environment(servers, WEB_CONCURRENCY="1", **named), log)
    try:
        api.start()
        yield api
    finally:
        if api.process:
            terminate([api.process], timeout_s=5)


class OtherSite:
    """A static site at http://localhost, which is another origin than the API's. Tests give it pages."""

    def __init__(self) -> None:
        pages = self._pages = {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = pages.get(self.path)
                body = (found or "").encode()
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def page(self, html: str) -> str:
        """Add a page, and return its address."""
        path = f"/{secrets.token_hex(4)}"
        self._pages[path] = html
        return self.url + path

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def document(body: str, script: str, lang: str = "en") -> str:
    """Return a page with the button's script and some markup."""
    head = '<meta charset="utf-8"><title>A page</title><link rel="icon" href="data:,">'
    head += f'<script type="module" src="{script}"></script>'
    return f'<!doctype html><html lang="{lang}"><head>{head}</head><body><main>{body}</main></body></html>'


def button(post: str, attributes: str = "") -> str:
    """Return the markup of a button."""
    return f'<like-button post="{post}" {attributes}></like-button>'


@dataclass(frozen=True)
class Heart:
    """One button on a page, as a person finds it."""

    element: Locator

    @property
    def button(self) -> Locator:
        return self.element.get_by_role("button")

    @property
    def toast(self) -> Locator:
        return self.element.get_by_role("alert")

    def tap(self) -> None:
        self.button.click()

    def shows(self, *, liked: bool, count: int | str, within_s: float = 10) -> None:
        """Wait until it shows this, or fail."""
        timeout = within_s * 1_000
        expect(self.button).to_have_attribute("aria-pressed", str(liked).lower(), timeout=timeout)
        expect(self.element.locator(".count")).to_have_text(str(count), timeout=timeout)


def heart(page: Page, post: str) -> Heart:
    """Return the first button of a post on a page."""
    return Heart(page.locator(f'like-button[post="{post}"]').first)


def events(page: Page, kind: str) -> list[dict]:
    """Return the details of all events of a kind so far."""
    return [detail for name, detail in page.evaluate("fired") if name == kind]


def wait_for_events(page: Page, kind: str, times: int = 1) -> list[dict]:
    """Wait for a number of events of a kind, and return their details."""
    page.wait_for_function(
        "([kind, times]) => fired.filter(([name]) => name == kind).length >= times", arg=[kind, times]
    )
    return events(page, kind)


def requests_of(page: Page) -> list[Request]:
    """Return a list to which each further request of the page is added."""
    seen: list[Request] = []
    page.on("request", lambda request: seen.append(request))
    return seen


def likes_and_unlikes(requests: list[Request]) -> list[str]:
    """Return the methods of the likes and unlikes among the requests."""
    return [request.method for request in requests if request.method in {"PUT", "DELETE"}]


def reads(requests: list[Request]) -> list[str]:
    """Return the addresses of the batch reads among the requests."""
    return [request.url for request in requests if "/v1/counts?" in request.url or "/v1/likes?" in request.url]


def is_like_of(post: str) -> Callable[[Request], bool]:
    """Return a predicate for requests and responses about the like of a post."""
    return lambda about: about.url.endswith(f"/v1/posts/{quote(post)}/like")
