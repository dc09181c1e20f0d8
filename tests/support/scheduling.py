"""The order in which pytest-xdist hands out tests, when the suite runs with `--numprocesses`.

A file stays on one worker, as its fixtures start servers. Files that measure time are a group: one worker runs them one
after another, so that no two of them disturb each other. What takes longest starts first, so that no worker is left
with a long file at the end.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Groups of files, longest first. The parts are the beginnings of their paths.
_GROUPS = {
    "timing": ("tests/faults/",),
}
# Files that are not in a group and take longer than others, longest first.
_LONG = ()


class FileScheduling(LoadScopeScheduling):
    """A scheduler that keeps a file or group on one worker, and starts them in the order of the collection."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        # Without this, xdist starts with what has most tests. That is unit tests, the shortest.
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0])


def group_of(path: str) -> str:
    """Return the group of a test file: one of `_GROUPS`, or the file itself."""
    return next((group for group, starts in _GROUPS.items() if path.startswith(starts)), path)


def position(item: pytest.Item) -> int:
    """Return where a test comes in the order: groups, long files, all others."""
    order = [*_GROUPS, *_LONG]
    group = group_of(item.nodeid.partition("::")[0])
    return order.index(group) if group in order else len(order)
