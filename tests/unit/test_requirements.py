"""A missing program skips its tests, with the package to install; with CI=true it fails them."""

import os
from pathlib import Path

import pytest

from tests.support.runner import skip_summary
from tests.support.runner.requirements import program


@pytest.fixture
def bare_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Leave nothing on the PATH but one folder, and return it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LIKEWISE_TEST_POSTGRES_BIN", str(tmp_path))
    for name in ("CI", "LIKEWISE_TEST_CHROMIUM"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def put(folder: Path, name: str) -> Path:
    """Add an executable file."""
    path = folder / name
    path.touch(mode=0o755)
    return path


@pytest.mark.parametrize(
    ("name", "install"),
    [("promtool", "apt-get install prometheus"), ("helm", "helm.sh"), ("initdb", "apt-get install postgresql")],
)
def test_a_missing_program_skips_and_names_the_package(bare_path: Path, name: str, install: str) -> None:
    with pytest.raises(pytest.skip.Exception, match=f"{name} is not installed: .*{install}"):
        program(name)


def test_a_missing_program_fails_in_ci(bare_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install nodejs"):
        program("node")


@pytest.mark.parametrize("name", ["node", "initdb"])
def test_a_program_is_found(bare_path: Path, name: str) -> None:
    path = put(bare_path, name)
    assert program(name) == path


def test_a_variable_may_name_a_program(bare_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(bare_path, "chrome")
    monkeypatch.setenv("LIKEWISE_TEST_CHROMIUM", str(path))
    assert program("chromium") == path
    monkeypatch.setenv("LIKEWISE_TEST_CHROMIUM", str(bare_path / "absent"))
    with pytest.raises(pytest.skip.Exception):
        program("chromium")


def test_the_summary_counts_by_reason(tmp_path: Path) -> None:
    reports = [report("helm"), report("node"), report("helm")]
    lines = list(skip_summary.lines(reports))
    assert lines == ["3 tests were skipped:", "     2  helm", "     1  node"]
    for _ in range(2):
        skip_summary.append(tmp_path / "build" / "skipped", lines[1:])
    assert (tmp_path / "build" / "skipped").read_text().splitlines() == lines[1:] * 2


def test_without_skips_there_is_no_summary() -> None:
    assert list(skip_summary.lines([])) == []


def report(reason: str) -> pytest.TestReport:
    """Return the report of a skipped test."""
    where = (os.devnull, 1, f"Skipped: {reason}")
    return pytest.TestReport("test", ("", 0, ""), {}, "skipped", where, "setup")
