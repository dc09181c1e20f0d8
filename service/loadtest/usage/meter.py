"""Measure the usage of a run: every part of the local stack, or what can be read of a remote service."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from service.loadtest.generator.plan import Target
from service.loadtest.usage.counters import Source, UnknownUsageError, UsageMeter
from service.loadtest.usage.cpu import CpuMeter
from service.loadtest.usage.load import Load, LoadMeter
from service.loadtest.usage.local_processes import is_local_target, stack_processes
from service.loadtest.usage.local_stack import count_metrics, read_logs, read_writes
from service.loadtest.usage.postgres import read_postgres
from service.loadtest.usage.redis import read_redis
from service.settings import Settings

if TYPE_CHECKING:
    import psutil

_METRICS = "metrics"
_LOCAL_SOURCES = ("requests from NGINX to the API, and what Redis writes to disk", "logs", _METRICS)
# No counter of the system has these bytes.
_UNCOUNTED = (
    "responses from the API to NGINX, which are about as large as those to clients",
    "network between flusher and Postgres",
)


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of a run.

    cpu_s: CPU seconds by part. cpu_missing: why only the load test was measured.
    totals: bytes and counts by name, see `service.loadtest.report.costs`.
    missing: one sentence for each source that was not measured.
    load: cores in use while likes were sent.
    """

    cpu_s: Mapping[str, float]
    cpu_missing: str = ""
    totals: Mapping[str, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    load: Load = field(default_factory=Load)


class RunMeter:
    """The usage from its creation on: of the load test until `stop_sending`, of the servers until `read`.

    Without `processes`, the parts run elsewhere, and `reason` says why.
    """

    def __init__(self, settings: Settings, processes: "dict[str, psutil.Process]", reason: str = "") -> None:
        self._processes = processes
        self._reason = reason
        self._counters = UsageMeter(list(_sources(settings, processes)))
        self._cpu = CpuMeter(processes)
        self._load_meter = LoadMeter(processes)
        self._load = Load()

    def sample(self, *, is_behind: bool) -> None:
        """Measure the load since the last sample. `is_behind`: likes have waited for their answer for long."""
        self._load_meter.sample(is_behind=is_behind)

    def stop_sending(self, *, is_behind: bool) -> None:
        """End the measurement of the load test, which from now on only waits and compares."""
        self._cpu.stop_sending()
        self._load = self._load_meter.stop(is_behind=is_behind)

    def read(self) -> Usage:
        """Return the usage until now."""
        cpu_s = self._cpu.read()
        totals, missing = self._counters.read()
        if self._reason:
            missing += [f"{name}: {self._reason}" for name in _LOCAL_SOURCES]
        else:
            try:
                totals |= count_metrics(self._processes)
            except UnknownUsageError as reason:
                missing.append(f"{_METRICS}: {reason}")
        missing += _UNCOUNTED
        return Usage(cpu_s, self._reason, totals, missing, self._load)


def start_meter(settings: Settings, target: Target) -> RunMeter:
    """Return a meter of the local stack if it is the target, else of what the settings lead to."""
    try:
        running = stack_processes(settings)
    except ImportError:
        return RunMeter(settings, {}, "the package psutil is missing. Install it with: pip install 'likewise[local]'")
    if not is_local_target(running, target):
        return RunMeter(settings, {}, "the target is not the local stack of this state directory")
    return RunMeter(settings, running)


def _sources(settings: Settings, processes: "dict[str, psutil.Process]") -> Iterator[Source]:
    yield Source("Redis", lambda: read_redis(settings))
    yield Source("Postgres", lambda: read_postgres(settings))
    if processes:
        yield Source(_LOCAL_SOURCES[0], lambda: read_writes(processes))
        yield Source(_LOCAL_SOURCES[1], lambda: read_logs(settings.state_dir))
