"""Run the rounds: read the load reports each second, and reconcile each Deployment."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from threading import Event

import structlog

from autoscaler.controller.journal import Journal
from autoscaler.controller.metrics import Metrics
from autoscaler.controller.reconcile import Outcome, Reconciler, Tick
from autoscaler.controller.report import OutcomeReporter
from autoscaler.errors import ClusterError, SignalsUnavailableError, ThrottledError
from autoscaler.kubernetes.events import EventRecorder
from autoscaler.signals.signals import Signals, SignalSource

log = structlog.get_logger(__name__)
_HEARTBEAT_S = 1.0
# Every wait for a server has a timeout. A round that takes longer than this will never end.
_STUCK_AFTER_S = 30.0


def wall_clock() -> datetime:
    """Return the time by this machine's clock."""
    return datetime.now(UTC)


@dataclass(slots=True)
class ControlLoop:
    """Rounds over the `reconcilers`, by Deployment.

    `suppressed_by` returns why this replica may not write, or an empty string. A failure ends one part of a round only:
    the other Deployment and the next round continue. `first_error` is the first failure of the last round.
    """

    source: SignalSource
    reconcilers: Mapping[str, Reconciler]
    journal: Journal
    events: EventRecorder
    metrics: Metrics
    suppressed_by: Callable[[], str]
    every_s: float
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], datetime] = wall_clock
    first_error: str = ""
    _heartbeat_at: float = field(default_factory=time.monotonic)
    _has_restored: bool = False
    _outcomes: dict[str, Outcome] = field(default_factory=dict)

    def run(self, stopped: Event, rounds: int = 0) -> None:
        """Run until `stopped` is set, or for a number of rounds. 0 means without end."""
        done, pause_s = 0, 0.0
        while not self._wait(stopped, pause_s):
            began = self.clock()
            retry_after_s = self.run_round()
            self.metrics.round_s.observe(self.clock() - began)
            done += 1
            if done == rounds:
                return
            pause_s = max(retry_after_s, self.every_s / 10, self.every_s - (self.clock() - began))

    def is_live(self) -> bool:
        """Return whether rounds still end in time."""
        return time.monotonic() - self._heartbeat_at < _STUCK_AFTER_S

    def run_round(self) -> float:
        """Run one round, and return the pause in seconds that the API server requests."""
        self.first_error = ""
        tick = Tick(self.clock(), self.wall(), self._read_signals(), self.suppressed_by())
        self.metrics.leading.set(not tick.suppressed_by)
        retry_after_s = 0.0
        if not tick.suppressed_by and not self._has_restored:
            retry_after_s = self._attempt("decisions", self._restore, tick.now)
        for deployment, reconciler in self.reconcilers.items():
            reconcile = partial(self._reconcile, reconciler, tick)
            retry_after_s = max(retry_after_s, self._attempt(deployment, reconcile, tick.now))
        if tick.suppressed_by:
            self._has_restored = False
        elif self._has_restored:
            save = partial(self.journal.save, tick.now)
            retry_after_s = max(retry_after_s, self._attempt("decisions", save, tick.now))
        return retry_after_s

    def _wait(self, stopped: Event, pause_s: float) -> bool:
        """Wait for the next round, and return whether the loop was stopped.

        The heartbeat continues meanwhile, because a long pause that the API server requests is not a hang.
        """
        until = time.monotonic() + pause_s
        while not stopped.wait(min(_HEARTBEAT_S, max(0.0, until - time.monotonic()))):
            self._heartbeat_at = time.monotonic()
            if self._heartbeat_at >= until:
                return False
        return True

    def _restore(self) -> None:
        self.journal.restore()
        self._has_restored = True

    def _read_signals(self) -> Signals:
        now = self.clock()
        try:
            signals = self.source.read(now)
        except SignalsUnavailableError as error:
            self.first_error = str(error)
            self.metrics.errors.labels("signals").inc()
            self.events.record(None, "SignalsUnavailable", str(error), now, warning=True)
            signals = Signals()
        else:
            self.events.record(None, "SignalsUnavailable", "", now)
        self.metrics.reporting_pods.set(len(signals.pods))
        return signals

    def _attempt(self, part: str, call: Callable[[], None], now: float) -> float:
        """Do a part of a round, and return the pause in seconds that the API server requests."""
        try:
            call()
        except ThrottledError as error:
            self.metrics.errors.labels("throttled").inc()
            self.events.record(None, f"Throttled {part}", str(error), now, warning=True)
            return error.retry_after_s
        except ClusterError as error:
            self._record_error(part, error, now)
        except Exception as error:
            # A bug in one Deployment's part must not end the other's.
            self.first_error = self.first_error or repr(error)
            self.metrics.errors.labels("unexpected").inc()
            log.exception("round failed", part=part)
        return 0.0

    def _record_error(self, part: str, error: ClusterError, now: float) -> None:
        self.first_error = self.first_error or str(error)
        kind, outcome = type(error).__name__, self._outcomes.get(part)
        self.metrics.errors.labels(kind.removesuffix("Error").lower()).inc()
        subject = outcome.state.subject if outcome else None
        # While demand rises, the figures of the message change each second. One Event per kind is enough.
        self.events.record(subject, "CannotScale", str(error), now, warning=True, topic=kind)

    def _reconcile(self, reconciler: Reconciler, tick: Tick) -> None:
        outcome = reconciler.reconcile(tick)
        self._outcomes[outcome.entry.deployment] = outcome
        if not tick.suppressed_by:
            self.journal.add(outcome.entry)
        OutcomeReporter(self.events, self.metrics).report(outcome, tick)
