"""Who leads: one of the replicas, by a Lease. The others wait, and take over once it is not renewed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any, Protocol

import structlog
from lightkube import Client
from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.coordination_v1 import Lease as LeaseObject

from autoscaler.errors import ClusterError, ConflictError, MissingError, ThrottledError
from autoscaler.kubernetes.transport import translated

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Record:
    """What the Lease says. `version` is its resourceVersion, '' where there is none yet."""

    holder: str
    renewed: datetime | None
    transitions: int = 0
    version: str = ""
    duration_s: float = 0.0
    acquired: datetime | None = None


class Records(Protocol):
    """Where the record is kept. Raises ClusterError's kinds."""

    def read(self) -> Record:
        """The record as it stands."""

    def write(self, record: Record, holder: str, duration_s: float) -> None:
        """Renewed now by `holder`, '' for nobody; ConflictError where it has changed since it was read."""


class LeaseRecords:
    """A Lease of the cluster."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name
        self._marks: dict[str, Any] = {}  # labels and annotations of whoever made it

    def read(self) -> Record:
        """See `Records`."""
        try:
            with translated(f"Lease {self._name}"):
                found = self._client.get(LeaseObject, self._name)
        except MissingError:
            return Record("", None)
        spec, meta = found.spec or LeaseSpec(), found.metadata or ObjectMeta()
        version, self._marks = str(meta.resourceVersion or ""), {"labels": meta.labels, "annotations": meta.annotations}
        duration_s = float(spec.leaseDurationSeconds or 0)
        return Record(
            spec.holderIdentity or "", spec.renewTime, spec.leaseTransitions or 0, version, duration_s, spec.acquireTime
        )

    def write(self, record: Record, holder: str, duration_s: float) -> None:
        """See `Records`."""
        now = datetime.now(UTC)
        changed = holder != record.holder
        spec = LeaseSpec(
            holderIdentity=holder,
            leaseDurationSeconds=max(1, round(duration_s)),
            renewTime=now,
            acquireTime=now if changed else record.acquired,
            leaseTransitions=record.transitions + int(changed and bool(holder)),
        )
        lease = LeaseObject(
            metadata=ObjectMeta(name=self._name, resourceVersion=record.version or None, **self._marks), spec=spec
        )
        with translated(f"Lease {self._name}"):
            self._client.replace(lease) if record.version else self._client.create(lease)


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: how long a lease lasts, how often it is renewed or looked at, and the longest a request takes."""

    duration_s: float
    every_s: float
    request_s: float

    @property
    def patience_s(self) -> float:
        """The longest pause between two attempts of a leader: it has a second one before its lease is over."""
        return max(self.every_s, (self.duration_s - self.request_s) / 2)


class Lease:
    """Held or not. Each request of a leader must end before another may lead: `held` ends `request_s` early.

    The clock must go on while the process is stopped. Nobody's wall clock matters: a record that has not changed for
    its duration, by the own clock, has no holder any more.
    """

    def __init__(self, records: Records, me: str, times: Times, clock: Callable[[], float] = time.monotonic) -> None:
        self.me = me
        self._records, self._times, self._clock = records, times, clock
        self._seen, self._seen_at = Record("", None), clock()
        self._held_until = float("-inf")
        self._led, self._waits_for = False, ""
        self._closed = Event()
        self._thread = Thread(target=self._run, name="lease", daemon=True)

    @property
    def held(self) -> bool:
        """Whether a request that starts now ends while no other can lead."""
        return self._clock() < self._held_until

    @property
    def holder(self) -> str:
        """Who leads, as last seen; '' for nobody."""
        return self._seen.holder

    def start(self) -> None:
        """Try to lead from here on."""
        self._thread.start()

    def close(self) -> None:
        """Let another lead at once."""
        self._closed.set()
        if self._thread.ident is not None:
            self._thread.join(self._times.request_s)
        if self.held:
            self._held_until = float("-inf")
            try:
                self._records.write(self._records.read(), "", 1)
            except ClusterError as error:
                log.warning("lease not given back: another leads once it is over", reason=str(error))

    def attempt(self) -> None:
        """Renew it, or take it where it is free. Raises ClusterError's kinds."""
        began = self._clock()
        record = self._records.read()
        if (record.holder, record.renewed) != (self._seen.holder, self._seen.renewed):
            self._seen, self._seen_at = record, began
        if record.holder not in {"", self.me} and not self._is_over(record, began):
            self._held_until = float("-inf")
            self._wait_for(record.holder)
            return
        self._records.write(record, self.me, self._times.duration_s)
        self._seen, self._seen_at = Record(self.me, None), began
        self._held_until = began + self._times.duration_s - self._times.request_s

    def _is_over(self, record: Record, now: float) -> bool:
        return now - self._seen_at >= max(record.duration_s, self._times.duration_s)

    def _wait_for(self, holder: str) -> None:
        if holder != self._waits_for:
            log.info("lease watched", holder=holder)
        self._waits_for = holder

    def _tell(self) -> None:
        """Also where the lease ended while this process was stopped."""
        if self._led != self.held:
            self._led = self.held
            log.info("leading" if self._led else "not leading", holder=self.holder)

    def _run(self) -> None:
        pause_s = 0.0
        while not self._closed.wait(pause_s):
            pause_s = self._times.every_s
            try:
                self.attempt()
            except ConflictError:
                pass  # another was quicker
            except ThrottledError as error:
                pause_s = max(pause_s, min(error.retry_after_s, self._times.patience_s))
            except ClusterError as error:
                log.warning("lease not renewed", reason=str(error))
            except Exception:  # the thread must outlive whatever it meets
                log.exception("lease not renewed")
            self._tell()
