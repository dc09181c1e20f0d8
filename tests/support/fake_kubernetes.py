"""An API server in memory: objects by name, each write noted, each call failing where a test says so."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from autoscaler.controller.journal import Journal
from autoscaler.controller.loop import Loop
from autoscaler.controller.metrics import Metrics
from autoscaler.controller.observe import Lead
from autoscaler.controller.reconcile import ApiPods, Flushers, Steered
from autoscaler.errors import ConflictError, MissingError, SignalsUnavailableError
from autoscaler.kubernetes.events import Events
from autoscaler.kubernetes.objects import FIELD_MANAGER, Floor, Workload
from autoscaler.kubernetes.targets import Target
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


class FakeApi:
    """See `autoscaler.kubernetes.client.Cluster`. `failing` is asked before each call and may raise."""

    def __init__(self) -> None:
        self.workloads = {name: Workload(name, f"u-{name}", "1", 2, 2, {}, {}) for name in (API, FLUSHER)}
        self.floors = {API: Floor(API, "u-hpa", "1", 2, 30, f"Deployment/{API}", {}, (FIELD_MANAGER,))}
        self.calls: list[tuple[str, int]] = []
        self.said: list[tuple[str, str]] = []
        self.data: dict[str, str] = {}
        self.keeps = 0
        self.failing: Callable[[str], None] = lambda call: None
        self.leads_s: list[float] = []
        self.lists = 0
        self.scaler = (FIELD_MANAGER,)  # who is noted to have scaled; () where nobody keeps account

    def deployment(self, name: str) -> Workload:
        self.failing("deployment")
        if name not in self.workloads:
            raise MissingError(f"Deployment {name}")
        return self.workloads[name]

    def floor(self, name: str) -> Floor:
        self.failing("floor")
        if name not in self.floors:
            raise MissingError(f"HPA {name}")
        return self.floors[name]

    def set_floor(self, floor: Floor, least: int, annotations: Mapping[str, str | None]) -> Floor:
        self.failing("set_floor")
        now = self.floors[floor.name]
        if now.version != floor.version:
            raise ConflictError(f"HPA {floor.name}")
        if least != now.least:
            self.calls.append(("floor", least))
        kept = {**now.annotations, **annotations}
        self.edit_floor(
            least, FIELD_MANAGER if least != now.least else "", annotations={k: v for k, v in kept.items() if v}
        )
        return self.floors[floor.name]

    def scale(self, workload: Workload, replicas: int) -> None:
        self.failing("scale")
        if self.workloads[workload.name].version != workload.version:
            raise ConflictError(f"Deployment {workload.name}")
        self.calls.append((f"scale {workload.name}", replicas))
        self.edit(workload.name, replicas=replicas, ready=replicas, writers=self.scaler)

    def lead_times_s(self, workload: Workload, since: datetime) -> list[float]:
        self.lists += 1
        self.failing("lead_times_s")
        return self.leads_s

    def kept(self, name: str) -> Mapping[str, str]:
        self.failing("kept")
        return self.data

    def keep(self, name: str, data: Mapping[str, str]) -> None:
        self.failing("keep")
        self.keeps += 1
        self.data |= data

    def say(self, about: Workload | Floor, *, reason: str, message: str, warning: bool, by: str) -> None:
        self.failing("say")
        self.said.append((reason, message))

    def edit(self, name: str, **changes: object) -> None:
        """As any other does."""
        before = self.workloads[name]
        self.workloads[name] = replace(before, version=str(int(before.version) + 1), **changes)  # type: ignore[arg-type]

    def edit_floor(self, least: int, by: str, **changes: object) -> None:
        """As any other does; '' leaves the account of who wrote it as it was."""
        before = self.floors[API]
        writers = (by,) if by else before.writers
        version = str(int(before.version) + 1)
        self.floors[API] = replace(before, version=version, least=least, writers=writers, **changes)  # type: ignore[arg-type]

    def reasons(self) -> list[str]:
        """Of what was said, in order."""
        return [reason for reason, _ in self.said]


def failing(api: FakeApi, call: str, error: Exception, times: int = 1_000) -> None:
    """So many calls of a name raise."""
    left = [times]

    def fail(name: str) -> None:
        if name == call and left[0] > 0:
            left[0] -= 1
            raise error

    api.failing = fail


@dataclass
class Rounds:
    """A loop over the fake API, one second a round; so many requests/s arrive, and pods tell of them."""

    api: FakeApi = field(default_factory=FakeApi)
    demand: float = 1_000.0
    backlog: Backlog | None = None
    posts: tuple[PostRate, ...] = ()
    told_ahead_s: float = 0.0
    unreadable: str = ""
    why_not: str = ""
    leads: bool = True
    now: float = 1_000.0
    hpa: str = API

    def __post_init__(self) -> None:
        api = ApiPods(self._target(API, self.hpa), Lead(self.api, self.wall), TUNING, Metrics(), "me")
        flushers = Flushers(self._target(FLUSHER, ""), TUNING, Metrics(), "me")
        steered: dict[str, Steered] = {API: api, FLUSHER: flushers}
        events = Events(self.api, "me", lambda: self.leads)
        self.loop = Loop(
            source=self, steered=steered, journal=Journal(self.api, "decisions"), events=events, metrics=Metrics(),
            why_not=lambda: self.why_not, every_s=1, clock=lambda: self.now, wall=self.wall,
        )  # fmt: skip

    def wall(self) -> datetime:
        """The time by the wall clock."""
        return NOON + timedelta(seconds=self.now)

    def go(self, rounds: int = 1) -> float:
        """So many seconds; how long the API server wanted to be left alone after the last."""
        later_s = 0.0
        for _ in range(rounds):
            self.now += 1
            later_s = self.loop.round()
        return later_s

    def read(self, now: float) -> Signals:
        """What is told: the ready pods share the demand, each with 1,000 requests/s at most."""
        if self.unreadable:
            raise SignalsUnavailableError(self.unreadable)
        ready = self.api.workloads[API].ready if API in self.api.workloads else 2
        each = self.demand / max(1, ready)
        at, served = now + self.told_ahead_s, min(each, 1_000)
        pods = [PodSample(f"p{i}", at, each, served, served / 1_000, 0, 1, 100) for i in range(ready)]
        backlog = self.backlog and replace(self.backlog, at=now)
        return Signals(tuple(pods), self.posts, backlog or Backlog(now, 10, 0.1, 100))

    def close(self) -> None:
        """Nothing is open."""

    def _target(self, deployment: str, hpa: str) -> Target:
        return Target(self.api, deployment, hpa, me="me", yield_s=30, may_write=lambda: self.leads)
