"""Wait for a condition with a deadline, instead of sleeping."""

import time
from collections.abc import Callable


def wait_for(condition: Callable[[], object], timeout_s: float = 15, every_s: float = 0.01) -> None:
    """Return once `condition` is true, and fail if it is not true in time."""
    give_up = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up, "did not come true in time"
        time.sleep(every_s)
