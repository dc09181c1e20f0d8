"""Files that disturb each other share a worker, and what takes longest starts first."""

from pathlib import Path

import pytest

from tests.support.runner import scheduling

ROOT = Path(__file__).parents[2]
NAMED = [*scheduling.LONG, *(start for starts in scheduling.GROUPS.values() for start in starts)]


@pytest.mark.parametrize("path", NAMED)
def test_every_named_file_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_a_group_has_one_name_and_every_other_file_its_own() -> None:
    first, second = "tests/faults/test_pods.py", "tests/faults/test_signals.py"
    assert scheduling.group_of(first) == scheduling.group_of(second) == "faults"
    assert scheduling.group_of("tests/unit/test_cli.py") == "tests/unit/test_cli.py"


def test_groups_start_first_then_long_files_then_the_rest() -> None:
    paths = ["tests/unit/test_cli.py", scheduling.LONG[0], "tests/faults/test_pods.py"]
    assert sorted(paths, key=scheduling.position) == paths[::-1]


def test_workers_share_the_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = range(10_000, 10_010)
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "3")
    shares = []
    for worker in ("gw0", "gw1", "gw2"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        shares += [*scheduling.share_of(ports)]
    assert sorted(shares) == list(ports)
    monkeypatch.delenv("PYTEST_XDIST_WORKER")
    monkeypatch.delenv("PYTEST_XDIST_WORKER_COUNT")
    assert scheduling.share_of(ports) == ports
