"""The requests in the documentation are sent to a real Likewise, and the tutorial's page is opened in Chromium."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner
from playwright.sync_api import Page, expect

from service.bootstrap.flusher import create_flusher
from service.bootstrap.stores import open_stores
from service.cli import main
from tests.examples.conftest import QuietHandler, Server
from tests.support.docs.code_blocks import CodeBlock, blocks_in
from tests.support.stack.servers import Servers

DEFAULT_URL = "http://127.0.0.1:8080"
TUTORIAL = "docs/tutorial/first-like.md"
REQUESTS = [block for block in blocks_in("console") if DEFAULT_URL in block.text]
PAGES = sorted({block.page for block in REQUESTS})
# `likewise drill` is left to tests/integration/local/test_drill.py: it needs a flusher and some minutes.
COMMANDS = [block for block in blocks_in("console") if re.match(r"\$ \S*likewise (?!drill)", block.text)]
POST = re.compile(r"/v1/posts/([\w-]+)")
TOKEN = re.compile(r"^Likewise-Visitor: (\S+)", re.MULTILINE)
# Values that differ in every response.
CHANGING = ("as_of", "display")


def answer(command: str, likewise: Server, token: str) -> str:
    """Return what a curl command of the documentation prints when it is run against the API of the tests."""
    words = [word.replace(DEFAULT_URL, likewise.url).replace("$TOKEN", token) for word in shlex.split(command)]
    done = subprocess.run([*words, "--silent"], capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.replace("\r\n", "\n")


def fixed(text: str) -> dict[str, Any]:
    """Return the JSON object of a response, without the values that differ in every response."""
    body = json.loads(text.strip().splitlines()[-1])
    return {name: value for name, value in body.items() if name not in CHANGING}


@pytest.mark.requires("curl")
@pytest.mark.parametrize("page", PAGES)
def test_the_requests_of_a_page_get_the_answers_it_shows(page: str, likewise: Server) -> None:
    token = ""
    for block in (block for block in REQUESTS if block.page == page):
        # Pages and examples use the same posts. Separate names keep each count as the page shows it.
        text = block.text
        for post in set(POST.findall(text)):
            text = text.replace(post, f"{post}-{Path(page).stem}")
        command, _, shown = text.removeprefix("$ ").partition("\n")
        printed = answer(command, likewise, token)
        assert printed.splitlines()[0].startswith(shown.splitlines()[0].split("{")[0]), block
        assert fixed(printed) == fixed(shown), block
        if found := TOKEN.search(printed):
            assert TOKEN.search(shown), block
            token = found[1]


@pytest.fixture
def tutorial_site(tmp_path: Path, post: str) -> Iterator[str]:
    """Serve the page that the tutorial shows, with its own post, as a site of another origin."""
    [block] = [block for block in blocks_in("html") if block.page == TUTORIAL]
    (tmp_path / "index.html").write_text(block.text.replace("my-first-post", post))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=tmp_path)) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


@pytest.mark.requires("chromium", "curl")
def test_the_page_of_the_tutorial_shows_the_like_of_the_command_line(
    tutorial_site: str, likewise: Server, page: Page, post: str
) -> None:
    [first, *_] = [block for block in REQUESTS if block.page == TUTORIAL]
    command = first.text.partition("\n")[0].removeprefix("$ ")
    answer(command.replace("my-first-post", post), likewise, "")
    page.goto(tutorial_site)
    element = page.locator("like-button")
    count = element.locator(".count")
    expect(count).not_to_have_text("0")
    before = int(count.inner_text())
    element.get_by_role("button").click()
    expect(count).to_have_text(str(before + 1))
    page.reload()
    expect(element.get_by_role("button")).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_the_commands_of_a_page_succeed(block: CodeBlock, empty_servers: Servers) -> None:
    command = block.text.splitlines()[0].removeprefix("$ ").removeprefix(".venv/bin/")
    settings = empty_servers.settings
    with open_stores(settings) as stores:
        # `verify` compares what is stored, and no flusher runs beside these tests.
        create_flusher(stores).drain()
    env = {
        "LIKEWISE_REDIS_URLS": ",".join(settings.redis_urls),
        "LIKEWISE_SHARD_MAP": settings.shard_map,
        "LIKEWISE_SHARDS": str(settings.shards),
    }
    done = CliRunner().invoke(main, shlex.split(command)[1:], env=env)
    assert done.exit_code == 0, done.output
