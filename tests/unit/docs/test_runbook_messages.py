"""Tests that the messages which runbooks and drills quote exist in the source."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = [path for folder in ("service", "autoscaler") for path in (ROOT / folder).rglob("*.py")]
PAGES = sorted([*(ROOT / "docs/runbooks").glob("Likewise*.md"), *(ROOT / "docs/how-to/drills").glob("*.md")])
# Commands, and messages of other programs.
OTHER = re.compile(r"^(kubectl|helm|likewise|slowlog get|max_connections|sed|docker|too many clients)\b")


def quoted_messages(text: str) -> list[str]:
    """Return the quoted phrases of plain words. Numbers are left out, because they vary."""
    phrases = re.findall(r"`(?:… )?([a-z][a-z' ]+ [a-z0-9' ]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [" ".join(phrase.split()) for phrase in phrases if not OTHER.match(phrase)]


@pytest.fixture(scope="module")
def source() -> str:
    """Return the text of all modules, in which adjacent string literals are joined."""
    text = "\n".join(path.read_text() for path in SOURCES)
    return re.sub(r'"\s*\n\s*f?"', "", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_quoted_message_exists(page: Path, source: str) -> None:
    missing = []
    for message in quoted_messages(page.read_text()):
        # A number stands for a formatted value.
        pattern = r"\{[^{}]*\}".join(re.escape(part) for part in re.split(r"\d+", message))
        if not re.search(pattern, source):
            missing.append(message)
    assert not missing
