"""The metrics of the autoscaler. docs/how-to/operate-the-autoscaler.md explains each."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from autoscaler.kubernetes.targets import TargetState
from autoscaler.policy.decision import Decision

_DECISION_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
_DEMAND_PARTS = ("arrivals", "growth", "viral", "backlog", "censored", "total")


class Metrics:
    """The metrics of one replica, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._create_replica_metrics()
        self._create_deployment_metrics()
        self._create_decision_metrics()

    def _create_replica_metrics(self) -> None:
        self.leading = self._gauge("leading", "1 if this replica leads, else 0.")
        self.reporting_pods = self._gauge("reporting_pods", "API pods whose load reports were read last.")
        self.conflicts = self._counter("conflicts_total", "Objects that changed between reading and writing.")
        self.errors = self._counter("errors_total", "Failed parts of rounds, by kind.", "kind")
        self.round_s = Histogram(
            "likewise_autoscaler_round_seconds", "A whole round: observe, decide, write.", registry=self.registry
        )

    def _create_deployment_metrics(self) -> None:
        self.paused = self._gauge("paused", "1 while people have paused a Deployment.", "deployment")
        self.no_data = self._gauge("no_data", "1 while there is no recent load report of a Deployment.", "deployment")
        self.replicas = self._gauge(
            "replicas", "Pods of a Deployment: desired, ready, min_replicas, wanted.", "deployment", "kind"
        )
        self.scale_actions = self._counter("scale_actions_total", "Changes made, by Deployment.", "deployment")
        self.suppressed = self._counter(
            "suppressed_total", "Rounds in which a change was decided and not made, by Deployment.", "deployment"
        )

    def _create_decision_metrics(self) -> None:
        self.demand = self._gauge("demand_requests_per_second", "Forecast demand on the API pods, by part.", "part")
        self.capacity = self._gauge("pod_capacity_requests_per_second", "Requests/s that a busy pod serves.")
        self.pod_startup = self._gauge("pod_startup_seconds", "Time from a pod's creation to its readiness.")
        self.decision_s = Histogram(
            "likewise_autoscaler_decision_seconds", "A decision on API pods.", registry=self.registry,
            buckets=_DECISION_BUCKETS_S,
        )  # fmt: skip

    def show_decision(self, decision: Decision) -> None:
        """Show the inputs of a decision on API pods."""
        for part in _DEMAND_PARTS:
            self.demand.labels(part).set(getattr(decision.demand, part))
        self.capacity.set(decision.capacity)

    def show_target(self, state: TargetState, wanted: int) -> None:
        """Show the state of a target, and the number of pods that was decided."""
        values = {"desired": state.workload.replicas, "ready": state.workload.ready, "wanted": wanted}
        if state.hpa:
            values["min_replicas"] = state.hpa.min_replicas
        for kind, value in values.items():
            self.replicas.labels(state.workload.name, kind).set(value)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"likewise_autoscaler_{name}", text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"likewise_autoscaler_{name}", text, labels, registry=self.registry)
