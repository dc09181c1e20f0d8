"""The examples for curl, Python and fetch. Each file is run as it is, against a real Likewise."""

import json
import runpy
import subprocess
import sys

import pytest
from playwright.sync_api import Page

from tests.examples.conftest import API_KEY, EXAMPLES, Server, run
from tests.support.runner.requirements import program

TWICE = """async ([url, post]) => {
  const { likewise } = await import("/fetch.js");
  const reader = likewise(url, localStorage);
  const [first, again] = await Promise.all([reader.like(post), reader.like(post)]);
  return [first.count, again.count, await reader.counts([post])];
}"""
LATER = """async ([url, post]) => {
  const { likewise } = await import("/fetch.js");
  const { liked, count } = await likewise(url, localStorage).read(post);
  return [liked, count];
}"""
FORGOTTEN = """async ([url, post]) => {
  const { likewise } = await import("/fetch.js");
  localStorage.setItem("likewise-visitor", "a token that is not known");
  const { liked, count } = await likewise(url, localStorage).like(post);
  return [liked, count];
}"""


@pytest.mark.requires("curl")
def test_curl(likewise: Server, post: str) -> None:
    printed = run("sh", EXAMPLES / "likes.sh", post, LIKEWISE_URL=likewise.url)
    *likes, counts = (json.loads(line) for line in printed.splitlines())
    assert [(like["liked"], like["count"]) for like in likes] == [(True, 1), (True, 1), (False, 0)]
    assert [(row["post"], row["count"]) for row in counts["counts"]] == [(post, 0), ("another-post", 0)]


def test_python(likewise: Server, post: str) -> None:
    printed = run(sys.executable, EXAMPLES / "likes.py", post, "alice", LIKEWISE_URL=likewise.url, LIKEWISE_KEY=API_KEY)
    assert printed.splitlines() == [
        "liked: 1",
        "liked again: 1",
        f"counts: {{'{post}': 1, 'another-post': 0}}",
        "taken back: 0",
    ]


def test_python_for_several_users_and_many_posts(likewise: Server, post: str) -> None:
    client = runpy.run_path(str(EXAMPLES / "likes.py"))["Likewise"](likewise.url, API_KEY)
    for user in ("alice", "bob", "alice"):
        client.like(post, user)
    assert client.state(post, "bob")["liked"]
    assert not client.state(post, "carol")["liked"]
    posts = [post, *(f"{post}-{at}" for at in range(150))]
    assert client.counts(posts) == dict.fromkeys(posts, 0) | {post: 2}


def test_python_reports_why_it_was_refused(likewise: Server, post: str) -> None:
    client = runpy.run_path(str(EXAMPLES / "likes.py"))["Likewise"]
    with pytest.raises(RuntimeError, match="401: The API key is unknown"):
        client(likewise.url, API_KEY + "x").like(post, "alice")
    with pytest.raises(RuntimeError, match="400: post holds ' '"):
        client(likewise.url, API_KEY).like("a post", "alice")


@pytest.mark.requires("node")
def test_fetch_in_node(likewise: Server, post: str) -> None:
    printed = run(program("node"), EXAMPLES / "fetch.js", post, LIKEWISE_URL=likewise.url)
    assert printed.splitlines() == [
        "liked: 1",
        "liked again: 1",
        f'counts: {{"{post}":1,"another-post":0}}',
        "taken back: 0",
    ]


@pytest.mark.requires("chromium")
def test_fetch_in_a_page_of_another_origin(likewise: Server, site: str, page: Page, post: str) -> None:
    page.goto(f"{site}/fetch.js")
    assert page.evaluate(TWICE, [likewise.url, post]) == [1, 1, {post: 1}]
    page.reload()
    assert page.evaluate(LATER, [likewise.url, post]) == [True, 1]
    assert page.evaluate(FORGOTTEN, [likewise.url, post]) == [True, 2]


@pytest.mark.parametrize(
    "example",
    [
        pytest.param("likes.sh", marks=pytest.mark.requires("curl")),
        "likes.py",
        pytest.param("fetch.js", marks=pytest.mark.requires("node")),
    ],
)
def test_each_program_fails_if_the_service_does_not_answer(example: str, unused_url: str) -> None:
    programs = {".sh": "sh", ".py": sys.executable, ".js": "node"}
    env = {"LIKEWISE_URL": unused_url, "LIKEWISE_KEY": "lk_blog_x"}
    argv = [programs[example[-3:]], EXAMPLES / example, "hello-world", "alice"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    assert "onnect" in done.stderr or "ECONNREFUSED" in done.stderr
