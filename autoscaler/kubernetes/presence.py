"""Whether an autoscaler is there, as its Lease shows to those who don't take part."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoscaler.kubernetes.lease import Record

_LOOK_EVERY_S = 1.0
_CLOCKS_S = 2.0  # by which the leader's clock may be ahead of ours without a doubt

Wait = Callable[[float], object]


def silent_s(record: "Record", wall: datetime) -> float:
    """Seconds since it was renewed, by two wall clocks: below 0 where the leader's is ahead. Infinite for never."""
    return (wall - record.renewed).total_seconds() if record.renewed else float("inf")


def is_renewed(read: "Callable[[], Record]", first: "Record", for_s: float, wait: Wait = time.sleep) -> bool:
    """Whether it changes within so many seconds: that shows whoever is there, whatever the clocks say."""
    looks = max(1, round(for_s / _LOOK_EVERY_S))
    for _ in range(looks):
        wait(for_s / looks)
        record = read()
        if (record.holder, record.renewed) != (first.holder, first.renewed):
            return True
    return False


def leader(read: "Callable[[], Record]", wall: datetime, margin_s: float, wait: Wait = time.sleep) -> str:
    """Who leads, or ''. Where the clocks leave a doubt, it is looked at for as long as it lasts and `margin_s`."""
    record = read()
    if not record.holder or -_CLOCKS_S <= silent_s(record, wall) < record.duration_s:
        return record.holder
    return read().holder if is_renewed(read, record, record.duration_s + margin_s, wait) else ""
