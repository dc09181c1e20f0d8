"""Report the outcome of a round as metrics, log lines and Events. Only changes and lasting problems are Events."""

from dataclasses import dataclass

import structlog

from autoscaler.controller.metrics import Metrics
from autoscaler.controller.observe import prewarm_error
from autoscaler.controller.reconcile import Outcome, Tick
from autoscaler.kubernetes.annotations import PAUSED, is_paused, old_key_warning, prewarm_of
from autoscaler.kubernetes.events import EventRecorder

log = structlog.get_logger(__name__)
DRY_RUN = "dry run"


@dataclass(frozen=True, slots=True)
class OutcomeReporter:
    """Reports outcomes to people."""

    events: EventRecorder
    metrics: Metrics

    def report(self, outcome: Outcome, tick: Tick) -> None:
        """Report an outcome."""
        self._show(outcome)
        self._record_decision(outcome, tick)
        self._record_external_change(outcome, tick)
        self._record_requests(outcome, tick)

    def _show(self, outcome: Outcome) -> None:
        entry, name = outcome.entry, outcome.entry.deployment
        self.metrics.show_target(outcome.state, entry.replicas)
        self.metrics.no_data.labels(name).set(outcome.no_data)
        self.metrics.paused.labels(name).set(is_paused(outcome.state.workload.annotations))
        if entry.action:
            self.metrics.scale_actions.labels(name).inc()
            log.info("scaled", deployment=name, action=entry.action, reason=entry.reason, limit=entry.limit)
        elif entry.replicas != entry.current:
            self.metrics.suppressed.labels(name).inc()

    def _record_decision(self, outcome: Outcome, tick: Tick) -> None:
        entry, subject = outcome.entry, outcome.state.subject
        if tick.suppressed_by == DRY_RUN:
            would = f"would go from {entry.current} to {entry.replicas}: {entry.reason}"
            self.events.record(subject, "DryRun", would, tick.now, topic=f"{entry.replicas} {entry.limit}")
        if entry.action:
            self.events.record(subject, "Scaled", f"{entry.action}: {entry.reason}", tick.now)
        no_data = entry.reason if outcome.no_data else ""
        self.events.record(subject, "NoData", no_data, tick.now, warning=True, topic="no data")
        # The round succeeded, so a problem that returns is a new one.
        for about in (subject, None):
            self.events.record(about, "CannotScale", "", tick.now)

    def _record_external_change(self, outcome: Outcome, tick: Tick) -> None:
        state = outcome.state
        if change := state.change:
            what = "minReplicas" if state.hpa else "replicas"
            after = ", then kept as the baseline" if state.hpa else ""
            text = f"{what} was set from {change.before} to {change.value} by {change.by}"
            backoff = f"left alone for {state.backoff_left_s:.0f} s{after}"
            self.events.record(state.subject, "ExternalChange", f"{text}: {backoff}", tick.now)

    def _record_requests(self, outcome: Outcome, tick: Tick) -> None:
        """Record the requests that people make by annotations."""
        workload, subject, now = outcome.state.workload, outcome.state.subject, tick.now
        paused = f"paused by the annotation {PAUSED}: nothing is changed" if is_paused(workload.annotations) else ""
        self.events.record(subject, "Paused", paused, now)
        error = prewarm_error(workload)
        self.events.record(subject, "PrewarmRefused", error, now, warning=True)
        request = None if error else prewarm_of(workload.annotations)
        is_ahead = request is not None and request.until > tick.wall
        self.events.record(subject, "Prewarmed", f"an operator requested {request}" if is_ahead else "", now)
        old_keys = old_key_warning(workload.annotations)
        self.events.record(subject, "DeprecatedAnnotation", old_keys, now, warning=True)
