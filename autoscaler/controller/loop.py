"""The rounds: each second signals are read, decisions made, and done by whoever leads. All else goes on without."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event

import structlog

from autoscaler.controller.journal import Journal
from autoscaler.controller.metrics import Metrics
from autoscaler.controller.observe import wish_trouble
from autoscaler.controller.reconcile import Moment, Steered, Step
from autoscaler.errors import ClusterError, SignalsUnavailableError, ThrottledError
from autoscaler.kubernetes.annotations import is_paused, prewarm_of
from autoscaler.kubernetes.events import Events
from autoscaler.signals.signals import Signals, Source

log = structlog.get_logger(__name__)
DRY_RUN = "dry run"
_BEAT_EVERY_S = 1.0
STUCK_S = 30.0  # each wait for a server has a limit; a round that takes so long will not end


def wall_clock() -> datetime:
    """The time by this machine's clock."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Loop:
    """Rounds over what is `steered`, by Deployment. `why_not` says why nothing may be done, '' where it may."""

    source: Source
    steered: Mapping[str, Steered]
    journal: Journal
    events: Events
    metrics: Metrics
    why_not: Callable[[], str]
    every_s: float
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], datetime] = wall_clock
    _beat_s: float = field(default_factory=time.monotonic)
    trouble: str = ""  # the first that went wrong in the last round
    _led: bool = False
    _steps: dict[str, Step] = field(default_factory=dict)

    def run(self, stopped: Event, rounds: int = 0) -> None:
        """Until `stopped`, or for so many rounds; 0: without end."""
        done, pause_s = 0, 0.0
        while not self._is_over(stopped, pause_s):
            began = self.clock()
            later_s = self.round()
            self.metrics.round_s.observe(self.clock() - began)
            done += 1
            if done == rounds:
                return
            pause_s = max(later_s, self.every_s / 10, self.every_s - (self.clock() - began))

    def _is_over(self, stopped: Event, pause_s: float) -> bool:
        """Wait for the next round, with a sign of life each second: to wait as one is told is no standing still."""
        until = time.monotonic() + pause_s
        while not stopped.wait(min(_BEAT_EVERY_S, max(0.0, until - time.monotonic()))):
            self._beat_s = time.monotonic()
            if self._beat_s >= until:
                return False
        return True

    def is_live(self) -> bool:
        """Whether rounds go on."""
        return time.monotonic() - self._beat_s < STUCK_S

    def round(self) -> float:
        """One round. What goes wrong is said; the seconds for which the API server wants to be left alone."""
        self.trouble = ""
        moment = Moment(self.clock(), self.wall(), self._signals(), self.why_not())
        self.metrics.leading.set(not moment.why_not)
        later_s = 0.0
        if not moment.why_not and not self._led:
            later_s = self._attempt("decisions", self._take_over, moment.now)
        for deployment, steered in self.steered.items():
            later_s = max(later_s, self._attempt(deployment, lambda one=steered: self._step(one, moment), moment.now))  # type: ignore[misc]
        if moment.why_not:
            self._led = False
        elif self._led:
            later_s = max(later_s, self._attempt("decisions", lambda: self.journal.keep(moment.now), moment.now))
        return later_s

    def _take_over(self) -> None:
        self.journal.resume()
        self._led = True

    def _signals(self) -> Signals:
        now = self.clock()
        try:
            signals = self.source.read(now)
        except SignalsUnavailableError as error:
            self.trouble = str(error)
            self.metrics.troubles.labels("signals").inc()
            self.events.say(None, "SignalsUnavailable", str(error), now, warning=True)
            signals = Signals()
        else:
            self.events.say(None, "SignalsUnavailable", "", now)
        self.metrics.heard.set(len(signals.pods))
        return signals

    def _attempt(self, what: str, call: Callable[[], None], now: float) -> float:
        """The seconds for which the API server wants to be left alone."""
        try:
            call()
        except ThrottledError as error:
            self.metrics.troubles.labels("throttled").inc()
            self.events.say(None, f"Throttled {what}", str(error), now, warning=True)
            return error.retry_after_s
        except ClusterError as error:
            self._tell_trouble(what, error, now)
        except Exception as error:  # of one Deployment: the other, and the next round, must not end with it
            self.trouble = self.trouble or repr(error)
            self.metrics.troubles.labels("unexpected").inc()
            log.exception("round failed", part=what)
        return 0.0

    def _tell_trouble(self, what: str, error: ClusterError, now: float) -> None:
        """One Event a kind: its figures are others each second of a ramp."""
        self.trouble = self.trouble or str(error)
        kind, step = type(error).__name__, self._steps.get(what)
        self.metrics.troubles.labels(kind.removesuffix("Error").lower()).inc()
        about = step.seen.about if step else None
        self.events.say(about, "CannotScale", str(error), now, warning=True, topic=kind)

    def _step(self, steered: Steered, moment: Moment) -> None:
        step = steered.step(moment)
        entry, name = step.entry, step.entry.deployment
        self._steps[name] = step
        if not moment.why_not:
            self.journal.note(entry)
        self.metrics.seen(step.seen, entry.replicas)
        self.metrics.blind.labels(name).set(step.blind)
        if entry.done:
            self.metrics.acts.labels(name).inc()
            log.info("scaled", deployment=name, done=entry.done, reason=entry.reason, limit=entry.limit)
        elif entry.replicas != entry.current:
            self.metrics.held_back.labels(name).inc()
        if moment.why_not == DRY_RUN:
            would = f"would go from {entry.current} to {entry.replicas}: {entry.reason}"
            self.events.say(step.seen.about, "DryRun", would, moment.now, topic=f"{entry.replicas} {entry.limit}")
        self._tell(step, moment)

    def _tell(self, step: Step, moment: Moment) -> None:
        """Events, and the same in the log. Only what changed is said, and a trouble that goes on."""
        seen, entry, now = step.seen, step.entry, moment.now
        about = seen.about
        if entry.done:
            self.events.say(about, "Scaled", f"{entry.done}: {entry.reason}", now)
        if edit := seen.edit:
            what = "minReplicas" if seen.floor else "replicas"
            after = ", then kept as the base" if seen.floor else ""
            text = f"{what} was set from {edit.before} to {edit.value} by {edit.by}"
            self.events.say(about, "EditedByOther", f"{text}: left alone for {seen.left_alone_s:.0f} s{after}", now)
        self.events.say(about, "Blind", entry.reason if step.blind else "", now, warning=True, topic="blind")
        for found in (about, None):
            self.events.say(found, "CannotScale", "", now)
        self._tell_wishes(step, moment)

    def _tell_wishes(self, step: Step, moment: Moment) -> None:
        workload, about, now = step.seen.workload, step.seen.about, moment.now
        paused = is_paused(workload.annotations)
        self.metrics.paused.labels(workload.name).set(paused)
        self.events.say(
            about, "Paused", "paused by the annotation likewise/paused: nothing is changed" if paused else "", now
        )
        trouble = wish_trouble(workload)
        self.events.say(about, "PrewarmRefused", trouble, now, warning=True)
        wanted = None if trouble else prewarm_of(workload.annotations)
        ahead = wanted is not None and wanted.until > moment.wall
        self.events.say(about, "Prewarmed", f"people asked for {wanted}" if ahead else "", now)
