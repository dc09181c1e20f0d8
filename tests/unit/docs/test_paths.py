"""Every path and link that a page names exists, as does every page that a source file names."""

import re
from pathlib import Path

import pytest

from tests.support.docs.code_blocks import ROOT, files, pages

FOLDERS = "service|autoscaler|helm|k8s|tests|bench|docs|examples"
PATH = re.compile(rf"(?<![\w/.-])((?:{FOLDERS})/[\w./*@-]+|[A-Z]{{4,}}\.md)(?![\w/])")
LINK = re.compile(r"\]\(([^)#\s:]+)(?:#([^)\s]*))?\)")
CODE = re.compile(r"```.*?```", re.DOTALL)
PAGE = re.compile(r"(?<![\w/])docs/[a-z-]+/[A-Za-z0-9/_-]+\.(?:md|svg|png)")
SOURCES = {".py", ".js", ".lua", ".sql", ".yaml", ".txt", ".toml", ".json"}
IN_FILE = re.compile(r"`(\w+)` in `([\w/.-]+\.\w+)`")
SPAN = re.compile(r"`([^`\n]+)`")


def exists(path: str) -> bool:
    """Return whether a path of the repository exists; `*` matches as in a shell."""
    path = path.rstrip(".")
    # Decision records are often named by their number alone.
    pattern = path + "*" if path.startswith("docs/adr/0") else path
    return any(ROOT.glob(pattern)) if "*" in pattern else (ROOT / path).exists()


def _without_command(span: re.Match[str]) -> str:
    """Drop commands, in which `service/likewise` is a Kubernetes object."""
    return "" if " " in span[1] else span[0]


@pytest.mark.parametrize("page", pages())
def test_the_paths_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    prose = SPAN.sub(_without_command, re.sub(r"\]\([^)]*\)", "]", CODE.sub("", text)))
    assert not {path for path in PATH.findall(prose) if not exists(path)}


@pytest.mark.parametrize("page", pages())
def test_the_functions_that_a_page_names_are_in_their_files(page: str) -> None:
    for function, path in IN_FILE.findall((ROOT / page).read_text("utf-8")):
        assert re.search(rf"\b{function}\b", (ROOT / path).read_text("utf-8")), f"{function} in {path}"


@pytest.mark.parametrize("page", pages())
def test_the_links_of_a_page_lead_to_files_and_headings(page: str) -> None:
    for path, anchor in LINK.findall(CODE.sub("", (ROOT / page).read_text("utf-8"))):
        target = (ROOT / page).parent / path
        assert target.exists(), path
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{path}#{anchor}"


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", CODE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_pages_that_source_files_name_exist() -> None:
    sources = [path for path in files() if path.suffix in SOURCES]
    named = {(name, path) for path in sources for name in PAGE.findall(path.read_text("utf-8"))}
    assert len(named) > 20
    assert not [(name, str(path)) for name, path in named if not exists(name)]
