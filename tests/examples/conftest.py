"""A real Likewise to run the examples against, the programs they need, and Chromium."""

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
WAIT_MS = 15_000  # a busy machine builds and runs other things too
MANY = "100000/minute"
API_KEY, API_KEY_ENTRY = new_key("blog", ["like"])


class Server:
    """An HTTP server in a process of its own, on a port that it keeps over a restart."""

    def __init__(self, argv: list[str], env: Mapping[str, str], port: int, ready: str, log: Path, cwd: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._argv, self._env, self._ready, self._log, self._cwd = argv, env, ready, log, cwd

    def start(self) -> None:
        """Return once it answers."""
        self._process = spawn(self._argv, log=self._log, env=self._env, cwd=self._cwd)
        wait_for(self._answers, timeout_s=30)

    def stop(self) -> None:
        """Kill it: nothing listens any more."""
        kill_group(self._process)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Not there for a while."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Takes connections for a while, and does not answer."""
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
    """A server that answers at `ready`, killed at the end."""
    server = Server(argv, os.environ | env, port, ready, log, cwd)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def likewise_on(servers: Servers, log: Path, **changes: str) -> Iterator[Server]:
    """A pod of the API on the servers; `changes` are settings."""
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
    """What an example prints; a failure with what it said on stderr where it does not exit with 0."""
    done = subprocess.run(argv, env=os.environ | env, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr + done.stdout
    return done.stdout


@pytest.fixture(scope="package")
def empty_servers(_servers: Servers) -> Servers:
    """The session's servers, emptied once: each test has a post of its own."""
    return emptied(_servers)


@pytest.fixture(scope="package")
def likewise(empty_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A pod that any page on localhost may use."""
    log = tmp_path_factory.mktemp("likewise") / "api.log"
    with likewise_on(empty_servers, log, SITES="http://localhost:*", API_KEYS=API_KEY_ENTRY) as server:
        yield server


@pytest.fixture(scope="package")
def site() -> Iterator[str]:
    """The folder of examples as a site of another origin."""
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
    """A post that no other test likes."""
    return f"post-{uuid4().hex}"


@pytest.fixture
def unused_url() -> str:
    """Where nobody listens."""
    return f"http://127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture(scope="package")
def chromium(likewise: Server) -> Iterator[Browser]:
    """Debian's Chromium. What an example's page asks of the address by default, the pod answers."""
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
    """A page of a new reader, where no script fails."""
    with chromium.new_context() as context:
        page, errors = context.new_page(), []
        page.on("pageerror", lambda error: errors.append(error))
        page.set_default_timeout(WAIT_MS)
        yield page
        assert not errors


def the_element_likes_and_remembers(page: Page) -> None:
    """A tap on the page's `<like-button>` counts one, and is there after a reload."""
    element = page.locator("like-button")
    button, count = element.get_by_role("button"), element.locator(".count")
    expect(count).to_have_text("0")
    with page.expect_response(lambda answer: answer.request.method == "PUT" and answer.status == 201):
        button.click()
    expect(count).to_have_text("1")
    page.reload()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(count).to_have_text("1")
