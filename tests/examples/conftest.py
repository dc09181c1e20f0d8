"""A real Likewise for the examples, the programs that they need, and Chromium."""

import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from service.auth.api_keys import new_key
from service.devstack.processes import free_ports, kill_group, spawn, tail
from tests.support.runner.requirements import program
from tests.support.stack.servers import Servers, emptied
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
# A busy machine is slow.
WAIT_MS = 15_000
MANY = "100000/minute"
API_KEY, API_KEY_ENTRY = new_key("blog", ["like"])


class Server:
    """An HTTP server in its own process. It keeps its port when it is restarted."""

    def __init__(self, argv: list[str], env: Mapping[str, str], port: int, ready: str, log: Path, cwd: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._argv, self._env, self._ready, self._log, self._cwd = argv, env, ready, log, cwd

    def start(self) -> None:
        """Start it, and return once it answers."""
        self._process = spawn(self._argv, log=self._log, env=self._env, cwd=self._cwd)
        wait_for(self._answers, timeout_s=30)

    def stop(self) -> None:
        """Kill it. Nothing listens on its port any more."""
        kill_group(self._process)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the server until the end of the block."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Accept connections, but answer nothing until the end of the block."""
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    def _answers(self) -> bool:
        assert self._process.poll() is None, tail(self._log, 30)
        try:
            with urllib.request.urlopen(self.url + self._ready, timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False


@contextmanager
def running(
    argv: list[str], env: Mapping[str, str], *, port: int, ready: str, log: Path, cwd: Path
) -> Iterator[Server]:
    """Run a server until the end of the block. It is ready when the path `ready` answers."""
    server = Server(argv, os.environ | env, port, ready, log, cwd)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def likewise_on(servers: Servers, log: Path, **changes: str) -> Iterator[Server]:
    """Run a pod of the API on the servers. `changes` are settings."""
    settings, port = servers.settings, free_ports(1)[0]
    env = {
        "REDIS_URLS": ",".join(settings.redis_urls),
        "SHARD_MAP": settings.shard_map,
        "SHARDS": str(settings.shards),
        "SECRET": settings.secret.get_secret_value(),
        "METRICS_PORT": "0",
        "NEW_VISITOR_LIMIT": MANY,
        "ACTOR_LIMIT": MANY,
        "NETWORK_LIMIT": MANY,
        **changes,
    }
    env = {f"LIKEWISE_{name}": value for name, value in env.items()} | {"WEB_CONCURRENCY": "1"}
    argv = [sys.executable, "-m", "gunicorn", "-c", "service/server/gunicorn_conf.py", "-b", f"127.0.0.1:{port}"]
    with running([*argv, "service.server.wsgi:app"], env, port=port, ready="/readyz", log=log, cwd=ROOT) as server:
        yield server


def run(*argv: str | Path, **env: str) -> str:
    """Run an example, and return what it prints. It must exit with 0."""
    done = subprocess.run(argv, env=os.environ | env, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr + done.stdout
    return done.stdout


@pytest.fixture(scope="package")
def empty_servers(_servers: Servers) -> Servers:
    """Return the session's servers, emptied once. Each test has its own post."""
    return emptied(_servers)


@pytest.fixture(scope="package")
def likewise(empty_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a pod that any page on localhost may use."""
    log = tmp_path_factory.mktemp("likewise") / "api.log"
    with likewise_on(empty_servers, log, SITES="http://localhost:*", API_KEYS=API_KEY_ENTRY) as server:
        yield server


@pytest.fixture(scope="package")
def site() -> Iterator[str]:
    """Serve the folder of examples from another origin."""
    handler = partial(QuietHandler, directory=EXAMPLES)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    """Files of a folder."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def post() -> str:
    """Return a post that no other test likes."""
    return f"post-{uuid4().hex}"


@pytest.fixture
def unused_url() -> str:
    """Return a URL on which nothing listens."""
    return f"http://127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture(scope="package")
def chromium(likewise: Server) -> Iterator[Browser]:
    """Run Chromium. Requests to the default address of the examples go to the pod."""
    rules = f"MAP 127.0.0.1:8080 {likewise.url.removeprefix('http://')}"
    with sync_playwright() as playwright:
        expect.set_options(timeout=WAIT_MS)
        browser = playwright.chromium.launch(
            executable_path=program("chromium"), args=["--no-sandbox", f"--host-resolver-rules={rules}"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Open a page for a new visitor. An error of its scripts fails the test."""
    with chromium.new_context() as context:
        page, errors = context.new_page(), []
        page.on("pageerror", lambda error: errors.append(error))
        page.set_default_timeout(WAIT_MS)
        yield page
        assert not errors


def check_like_is_remembered(page: Page) -> None:
    """Tap the page's `<like-button>`, and check that it counts one and that a reload shows it."""
    element = page.locator("like-button")
    button, count = element.get_by_role("button"), element.locator(".count")
    expect(count).to_have_text("0")
    with page.expect_response(lambda answer: answer.request.method == "PUT" and answer.status == 201):
        button.click()
    expect(count).to_have_text("1")
    page.reload()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(count).to_have_text("1")
