"""Fake the Kubernetes API in memory, and run the control loop against it, one second per round."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from autoscaler.controller.journal import Journal
from autoscaler.controller.loop import ControlLoop
from autoscaler.controller.metrics import Metrics
from autoscaler.controller.observe import PodStartupTimer
from autoscaler.controller.reconcile import ApiPodsReconciler, FlushersReconciler, Reconciler
from autoscaler.errors import ConflictError, MissingError, SignalsUnavailableError
from autoscaler.kubernetes.events import EventRecorder
from autoscaler.kubernetes.objects import FIELD_MANAGER, Hpa, Workload
from autoscaler.kubernetes.targets import ScaleTarget
from autoscaler.policy.observation import PodSample, PostRate
from autoscaler.policy.tuning import Tuning
from autoscaler.signals.signals import Backlog, Signals

API, FLUSHER = "likewise-api", "likewise-flusher"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
TUNING = Tuning(
    min_replicas=2,
    max_replicas=40,
    min_flushers=2,
    stabilization_s=10,
    scale_down_period_s=2,
    restart_stabilization_s=0,
)


class FakeKubernetesApi:
    """See `autoscaler.kubernetes.client.KubernetesApi`. `before_call` is called before each method and may raise.

    `scale_writers` are recorded as the writers of a Deployment's replicas. Empty: Kubernetes keeps no record.
    """

    def __init__(self) -> None:
        self.workloads = {name: Workload(name, f"u-{name}", "1", 2, 2, {}, {}) for name in (API, FLUSHER)}
        self.hpas = {API: Hpa(API, "u-hpa", "1", 2, 30, f"Deployment/{API}", {}, (FIELD_MANAGER,))}
        self.writes: list[tuple[str, int]] = []
        self.events: list[tuple[str, str]] = []
        self.config_map: dict[str, str] = {}
        self.config_map_writes = 0
        self.before_call: Callable[[str], None] = lambda call: None
        self.startup_times_s: list[float] = []
        self.pod_lists = 0
        self.scale_writers = (FIELD_MANAGER,)

    def deployment(self, name: str) -> Workload:
        self.before_call("deployment")
        if name not in self.workloads:
            raise MissingError(f"Deployment {name}")
        return self.workloads[name]

    def hpa(self, name: str) -> Hpa:
        self.before_call("hpa")
        if name not in self.hpas:
            raise MissingError(f"HPA {name}")
        return self.hpas[name]

    def set_min_replicas(self, hpa: Hpa, min_replicas: int, annotations: Mapping[str, str | None]) -> Hpa:
        self.before_call("set_min_replicas")
        now = self.hpas[hpa.name]
        if now.version != hpa.version:
            raise ConflictError(f"HPA {hpa.name}")
        changed = min_replicas != now.min_replicas
        if changed:
            self.writes.append(("hpa", min_replicas))
        merged = {key: value for key, value in {**now.annotations, **annotations}.items() if value}
        self.edit_hpa(min_replicas, FIELD_MANAGER if changed else "", annotations=merged)
        return self.hpas[hpa.name]

    def scale(self, workload: Workload, replicas: int) -> None:
        self.before_call("scale")
        if self.workloads[workload.name].version != workload.version:
            raise ConflictError(f"Deployment {workload.name}")
        self.writes.append((f"scale {workload.name}", replicas))
        self.edit(workload.name, replicas=replicas, ready=replicas, writers=self.scale_writers)

    def pod_startup_times_s(self, workload: Workload, since: datetime) -> list[float]:
        self.pod_lists += 1
        self.before_call("pod_startup_times_s")
        return self.startup_times_s

    def read_config_map(self, name: str) -> Mapping[str, str]:
        self.before_call("read_config_map")
        return self.config_map

    def write_config_map(self, name: str, data: Mapping[str, str]) -> None:
        self.before_call("write_config_map")
        self.config_map_writes += 1
        self.config_map |= data

    def create_event(self, about: Workload | Hpa, *, reason: str, message: str, warning: bool, by: str) -> None:
        self.before_call("create_event")
        self.events.append((reason, message))

    def edit(self, name: str, **changes: object) -> None:
        """Change a Deployment, as somebody else does."""
        before = self.workloads[name]
        self.workloads[name] = replace(before, version=str(int(before.version) + 1), **changes)  # type: ignore[arg-type]

    def edit_hpa(self, min_replicas: int, by: str, **changes: object) -> None:
        """Change the HPA, as somebody else does. An empty `by` keeps the record of its writers."""
        before = self.hpas[API]
        writers = (by,) if by else before.writers
        version = str(int(before.version) + 1)
        self.hpas[API] = replace(before, version=version, min_replicas=min_replicas, writers=writers, **changes)  # type: ignore[arg-type]

    def reasons(self) -> list[str]:
        """Return the reasons of the Events, in order."""
        return [reason for reason, _ in self.events]


def fail_calls(api: FakeKubernetesApi, call: str, error: Exception, times: int = 1_000) -> None:
    """Let the next calls of a method raise."""
    left = [times]

    def fail(name: str) -> None:
        if name == call and left[0] > 0:
            left[0] -= 1
            raise error

    api.before_call = fail


@dataclass
class Rounds:
    """A control loop over the fake API, one second per round.

    `demand` requests/s arrive. `report_ahead_s` is by how much the reports are from the future.
    """

    api: FakeKubernetesApi = field(default_factory=FakeKubernetesApi)
    demand: float = 1_000.0
    backlog: Backlog | None = None
    posts: tuple[PostRate, ...] = ()
    report_ahead_s: float = 0.0
    unreadable: str = ""
    suppressed_by: str = ""
    leads: bool = True
    now: float = 1_000.0
    hpa: str = API

    def __post_init__(self) -> None:
        timer = PodStartupTimer(self.api, self.wall)
        reconcilers: dict[str, Reconciler] = {
            API: ApiPodsReconciler(self._target(API, self.hpa), timer, TUNING, Metrics(), "me"),
            FLUSHER: FlushersReconciler(self._target(FLUSHER, ""), TUNING, Metrics(), "me"),
        }
        self.loop = ControlLoop(
            source=self, reconcilers=reconcilers, journal=Journal(self.api, "decisions"),
            events=EventRecorder(self.api, "me", lambda: self.leads), metrics=Metrics(),
            suppressed_by=lambda: self.suppressed_by, every_s=1, clock=lambda: self.now, wall=self.wall,
        )  # fmt: skip

    def wall(self) -> datetime:
        """Return the time by the wall clock."""
        return NOON + timedelta(seconds=self.now)

    def go(self, rounds: int = 1) -> float:
        """Run rounds, and return the pause in seconds that the API server requests after the last one."""
        retry_after_s = 0.0
        for _ in range(rounds):
            self.now += 1
            retry_after_s = self.loop.run_round()
        return retry_after_s

    def read(self, now: float) -> Signals:
        """Return the reports: the ready pods share the demand, and each serves up to 1,000 requests/s."""
        if self.unreadable:
            raise SignalsUnavailableError(self.unreadable)
        ready = self.api.workloads[API].ready if API in self.api.workloads else 2
        each = self.demand / max(1, ready)
        at, served = now + self.report_ahead_s, min(each, 1_000)
        pods = [PodSample(f"p{i}", at, each, served, served / 1_000, 0, 1, 100) for i in range(ready)]
        backlog = self.backlog and replace(self.backlog, at=now)
        return Signals(tuple(pods), self.posts, backlog or Backlog(now, 10, 0.1, 100))

    def close(self) -> None:
        """Do nothing: no socket is open."""

    def _target(self, deployment: str, hpa: str) -> ScaleTarget:
        return ScaleTarget(self.api, deployment, hpa, identity="me", backoff_s=30, may_write=lambda: self.leads)
