"""The fenced code blocks of the documentation.

A block that cannot be checked has a comment on the line above it: `<!-- not run: the reason -->`. A Python block may
have a comment with the code that it needs to run: `<!-- setup: import time -->`.
"""

import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
_MADE = {"build", "node_modules", "__pycache__"}
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->\s*\Z", re.DOTALL)
_SETUP = re.compile(r"<!-- setup:\s(.+?)\s-->\s*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A code block of a page. `line` is its first line, `not_run` the reason why it is not checked, or ''."""

    page: str
    line: int
    language: str
    text: str
    not_run: str = ""
    setup: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def pages() -> list[str]:
    """Return every Markdown file of the repository, relative to its root."""
    return [str(path.relative_to(ROOT)) for path in files() if path.suffix == ".md"]


@cache
def files() -> list[Path]:
    """Return every file of the repository, without what commands have made. It needs no git."""
    found: list[Path] = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if name not in _MADE and not name.startswith("."))
        found += [Path(folder) / name for name in sorted(names)]
    return found


@cache
def code_blocks() -> list[CodeBlock]:
    """Return the code blocks of all pages, in order."""
    return [block for page in pages() for block in _blocks_of(page, (ROOT / page).read_text("utf-8"))]


def blocks_in(*languages: str) -> list[CodeBlock]:
    """Return the blocks of these languages that are not marked as not run."""
    return [block for block in code_blocks() if block.language in languages and not block.not_run]


def _blocks_of(page: str, text: str) -> list[CodeBlock]:
    found = []
    for match in _FENCE.finditer(text):
        before = text[: match.start()]
        reason, setup = _NOT_RUN.search(before), _SETUP.search(before)
        found.append(
            CodeBlock(
                page=page,
                line=before.count("\n") + 2,
                language=match["language"],
                text=re.sub(f"^{match['indent']}", "", match["text"], flags=re.MULTILINE),
                not_run=reason[1] if reason else "",
                setup=setup[1] if setup else "",
            )
        )
    return found
