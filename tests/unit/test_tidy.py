"""Files are short, folders hold few of them, and comments stand above what they explain."""

import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("service", "autoscaler", "bench", "tests")
MAX_FILES = 14
MAX_LINES, MAX_LINES_OF_TESTS = 200, 300
# Comments for tools must stand in the line that they are about.
PRAGMAS = ("# noqa", "# type:", "# fmt:", "# pragma:")
# A unit may stand behind a number, as in `# bytes` or `# requests/s`.
MAX_WORDS_OF_A_UNIT = 2

# What breaks a rule, with the reason. Take out what no longer does.
LONG_FILES: dict[str, str] = {}
FULL_FOLDERS: dict[str, str] = {}


def files() -> list[Path]:
    """Return every Python file of ours."""
    found = chain.from_iterable((ROOT / folder).rglob("*.py") for folder in FOLDERS)
    return sorted([*found, *(ROOT / "k8s").glob("*.py")])


def name(path: Path) -> str:
    """Return a path as messages name it."""
    return str(path.relative_to(ROOT))


def trailing_comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each comment that stands behind code and is neither a pragma nor a unit."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or not token.line[: token.start[1]].strip():
            continue
        if not token.string.startswith(PRAGMAS) and len(token.string.split()[1:]) > MAX_WORDS_OF_A_UNIT:
            yield token.start[0], token.string


def test_comments_stand_above_what_they_explain() -> None:
    found = [
        f"{name(path)}:{line}: {comment}" for path in files() for line, comment in trailing_comments(path.read_text())
    ]
    assert not found, "\n".join(found)


def test_files_are_short() -> None:
    long = {name(path) for path in files() if len(path.read_text().splitlines()) > limit(path)}
    assert long == LONG_FILES.keys()


def limit(path: Path) -> int:
    """Return how many lines a file may have."""
    return MAX_LINES_OF_TESTS if path.is_relative_to(ROOT / "tests") else MAX_LINES


def test_folders_hold_few_files() -> None:
    counts = Counter(path.parent for path in files() if path.name != "__init__.py")
    full = {name(folder) for folder, count in counts.items() if count > MAX_FILES}
    assert full == FULL_FOLDERS.keys()


def test_a_folder_of_tests_imports_nothing_from_another() -> None:
    found = [
        f"{name(path)} imports tests.{other}"
        for path in files()
        if path.is_relative_to(ROOT / "tests")
        for other in re.findall(r"^(?:from|import) tests\.(\w+)", path.read_text(), re.MULTILINE)
        if other not in {"support", path.relative_to(ROOT / "tests").parts[0]}
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("x = 1", 0),
        ("# Above what it explains.", 0),
        ("x = '# a text, no comment at all'", 0),
        ("x = 1  # bytes", 0),
        ("x = 1  # requests/s each", 0),
        ("import y  # noqa: F401 - for its side effects", 0),
        ("x = 1  # why it is one", 1),
        ("x = (\n    # Above.\n    1,\n    2,  # behind the second one\n)", 1),
    ],
)
def test_a_trailing_comment_is_found(line: str, found: int) -> None:
    assert len(list(trailing_comments(line + "\n"))) == found
