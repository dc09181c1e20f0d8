"""What the autoscaler tells of itself; docs/how-to/operate-the-autoscaler.md explains each metric."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from autoscaler.kubernetes.targets import Seen
from autoscaler.policy.decision import Decision

_DECISION_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)


class Metrics:
    """One registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._of_this_replica()
        self._of_deployments()
        self._of_decisions()

    def _of_this_replica(self) -> None:
        self.leading = self._gauge("leading", "1 where this replica leads, 0 where it waits.")
        self.heard = self._gauge("pods_heard", "API pods that told of themselves at the last look.")
        self.conflicts = self._counter("conflicts_total", "Objects that had changed between reading and writing them.")
        self.troubles = self._counter("troubles_total", "Rounds in which something was not to be had, by kind.", "kind")
        self.round_s = Histogram(
            "likewise_autoscaler_round_seconds", "A whole round: read, decide, write.", registry=self.registry
        )

    def _of_deployments(self) -> None:
        self.paused = self._gauge("paused", "1 while people have paused a Deployment.", "deployment")
        self.blind = self._gauge("blind", "1 while it can't see what a Deployment has to do.", "deployment")
        self.replicas = self._gauge("replicas", "Of a Deployment: asked for, ready, floor, wanted.", "deployment", "of")
        self.acts = self._counter("acts_total", "Changes made, by Deployment.", "deployment")
        self.held_back = self._counter("held_back_total", "Changes decided and not made, by Deployment.", "deployment")

    def _of_decisions(self) -> None:
        self.demand = self._gauge(
            "demand_requests_per_second", "What the API pods will have to serve, by part.", "part"
        )
        self.capacity = self._gauge(
            "pod_capacity_requests_per_second", "What a busy pod serves, learned from warm ones."
        )
        self.lead = self._gauge("pod_lead_seconds", "From a pod's creation to its readiness, as last measured.")
        self.decision_s = Histogram(
            "likewise_autoscaler_decision_seconds", "A decision on API pods.", registry=self.registry,
            buckets=_DECISION_BOUNDS_S,
        )  # fmt: skip

    def decided(self, decision: Decision) -> None:
        """Show what a decision on API pods was made of."""
        demand = decision.demand
        parts = ("arrivals", "growth", "viral", "backlog", "censored", "total")
        for part in parts:
            self.demand.labels(part).set(getattr(demand, part))
        self.capacity.set(decision.capacity)

    def seen(self, seen: Seen, wanted: int) -> None:
        """Show how a target stands."""
        shown = {"asked": seen.workload.replicas, "ready": seen.workload.ready, "wanted": wanted}
        if seen.floor:
            shown["floor"] = seen.floor.least
        for of, value in shown.items():
            self.replicas.labels(seen.workload.name, of).set(value)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"likewise_autoscaler_{name}", text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"likewise_autoscaler_{name}", text, labels, registry=self.registry)
