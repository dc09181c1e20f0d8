"""The count of skipped tests by reason, for the last lines of a run."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

Report = pytest.TestReport | pytest.CollectReport


def lines(skipped: Iterable[Report]) -> Iterator[str]:
    """Yield a headline, and a line for each reason with its number of tests, most frequent first."""
    reasons = Counter(_reason(report) for report in skipped)
    if reasons:
        yield f"{reasons.total()} tests were skipped:"
    for reason, count in reasons.most_common():
        yield f"{count:>6}  {reason}"


def append(path: Path, text: Iterable[str]) -> None:
    """Add the lines to a file, so that several runs can print one summary at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in text)


def _reason(report: Report) -> str:
    reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return str(reason).removeprefix("Skipped: ")
