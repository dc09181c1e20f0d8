"""Find out from outside whether an autoscaler leads, by reading its Lease."""

import time
from collections.abc import Callable
from datetime import datetime

from autoscaler.kubernetes.lease import LeaseRecord

_READ_EVERY_S = 1.0
# If the leader's clock is ahead of ours by more than this, the Lease is watched as well.
_CLOCK_SKEW_S = 2.0

Wait = Callable[[float], object]
ReadLease = Callable[[], LeaseRecord]


def since_renewal_s(record: LeaseRecord, wall: datetime) -> float:
    """Return the seconds since the last renewal, by two wall clocks.

    The result is below 0 if the leader's clock is ahead, and infinite if there was no renewal.
    """
    return (wall - record.renewed).total_seconds() if record.renewed else float("inf")


def is_renewed(read: ReadLease, first: LeaseRecord, for_s: float, wait: Wait = time.sleep) -> bool:
    """Return whether the Lease changes within `for_s` seconds. A change proves a live leader, with any clocks."""
    reads = max(1, round(for_s / _READ_EVERY_S))
    for _ in range(reads):
        wait(for_s / reads)
        record = read()
        if (record.holder, record.renewed) != (first.holder, first.renewed):
            return True
    return False


def find_leader(read: ReadLease, wall: datetime, margin_s: float, wait: Wait = time.sleep) -> str:
    """Return the leader's identity, or an empty string.

    If the wall clocks do not decide it, watch the Lease for its duration plus `margin_s`.
    """
    record = read()
    if not record.holder or -_CLOCK_SKEW_S <= since_renewal_s(record, wall) < record.duration_s:
        return record.holder
    return read().holder if is_renewed(read, record, record.duration_s + margin_s, wait) else ""
