"""Publish load reports of pods without any requests: for pods on fake nodes, and for tests without load.

    python -m tests.support.cluster.fake_load --redis redis://10.0.0.1:6379 --deployment likewise-api --demand rise.csv

`rise.csv` has lines of `seconds,requests/s`, which are interpolated. The Deployment's ready pods share the demand.
Requests beyond their capacity wait in a queue of the pod, which it works off.
"""

import argparse
import csv
import json
import math
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread

from service.errors import CounterUnavailableError
from service.observability.load_report import KEYS
from service.storage.redis.cluster import Cluster
from service.storage.redis.load_report_store import RedisLoadReportStore

INTERVAL_S = 1.0
_IDLE = {"arrivals": 0, "accepted": 0, "busy": 0, "queue": 0, "in_flight": 0, "ready_s": 0, "posts": []}
Points = Sequence[tuple[float, float]]


def demand_at(points: Points, elapsed_s: float) -> float:
    """Return the interpolated requests/s at a time. Outside of the points, return the nearest one."""
    for (start, low), (end, high) in pairwise(points):
        if start <= elapsed_s < end:
            return low + (high - low) * (elapsed_s - start) / (end - start)
    return points[-1][1] if elapsed_s >= points[-1][0] else points[0][1]


@dataclass(slots=True)
class FakePods:
    """Pods that share a demand and publish load reports. The capacity of a pod is in requests/s.

    A pod refuses requests that would wait for longer than `queue_s`.
    """

    report_stores: Sequence[RedisLoadReportStore]
    capacity: float = 1_000.0
    post: str = "viral"
    queue_s: float = math.inf
    _queues: dict[str, float] = field(default_factory=dict)
    _started: dict[str, float] = field(default_factory=dict)

    @classmethod
    def at(cls, urls: Sequence[str], capacity: float = 1_000.0, queue_s: float = math.inf) -> "FakePods":
        """Return fake pods that publish through these Redis servers."""
        return cls([RedisLoadReportStore(Cluster(urls, timeout_s=1), key) for key in KEYS], capacity, queue_s=queue_s)

    def report(self, pods: Sequence[str], demand: float, elapsed_s: float = INTERVAL_S) -> None:
        """Publish a report of each pod. A removed pod reports once that it has no requests, like a pod in `preStop`."""
        now = time.monotonic()
        removed = self._queues.keys() - set(pods)
        self._queues = {pod: self._queues.get(pod, 0.0) for pod in pods}
        self._started = {pod: self._started.get(pod, now) for pod in pods}
        each = demand / max(1, len(pods))
        reports = {f"api:{pod}:1": self._report_of(pod, each, now - self._started[pod], elapsed_s) for pod in pods}
        reports |= {f"api:{pod}:1": _IDLE for pod in removed}
        with ThreadPoolExecutor(len(self.report_stores)) as pool:
            list(pool.map(lambda report_store: _publish(report_store, reports), self.report_stores))

    def close(self) -> None:
        """Close every socket."""
        for report_store in self.report_stores:
            report_store.close()

    def _report_of(self, pod: str, arrivals: float, ready_s: float, elapsed_s: float) -> dict[str, object]:
        waiting = self._queues[pod] + arrivals * elapsed_s
        served = min(waiting, self.capacity * elapsed_s)
        self._queues[pod] = min(waiting - served, self.queue_s * self.capacity)
        return {
            "arrivals": arrivals, "accepted": served / elapsed_s, "busy": served / elapsed_s / self.capacity,
            "queue": self._queues[pod], "in_flight": min(4, arrivals), "ready_s": ready_s,
            "posts": [(self.post, arrivals * 0.9)],
        }  # fmt: skip


def _publish(report_store: RedisLoadReportStore, reports: Mapping[str, dict[str, object]]) -> None:
    # The other store also has the reports.
    with suppress(CounterUnavailableError):
        for who, second in reports.items():
            report_store.publish(who, second)


class FakeLoad:
    """A context manager that publishes the load reports of `pods()` under `demand()` on a thread."""

    def __init__(
        self,
        fake_pods: FakePods,
        pods: Callable[[], Sequence[str]],
        demand: Callable[[], float],
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._fake_pods, self._pods, self._demand, self._interval_s = fake_pods, pods, demand, interval_s
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="fake-load", daemon=True)

    def __enter__(self) -> "FakeLoad":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._fake_pods.close()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s):
            self._fake_pods.report(self._pods(), self._demand(), self._interval_s)


def ready_pods(deployment: str, namespace: str) -> list[str]:
    """Return one made-up name for each ready pod of the Deployment."""
    command = ["kubectl", "--namespace", namespace, "get", "deployment", deployment, "-o", "json"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return [f"{deployment}-{at}" for at in range(json.loads(found.stdout)["status"].get("readyReplicas", 0))]


def main() -> None:
    """Publish load reports until the last point of the demand. Print a line each second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--redis", required=True, action="append", help="Address of a Redis node. Repeatable.")
    parser.add_argument("--deployment", required=True)
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--demand", required=True, type=Path)
    parser.add_argument("--capacity", type=float, default=1_000.0, help="Requests/s of one pod.")
    options = parser.parse_args()
    with options.demand.open(newline="", encoding="utf-8") as rows:
        points = [(float(at), float(rate)) for at, rate in csv.reader(rows)]
    fake_pods, began = FakePods.at(options.redis, options.capacity), time.monotonic()
    try:
        while (elapsed_s := time.monotonic() - began) < points[-1][0]:
            pods, demand = ready_pods(options.deployment, options.namespace), demand_at(points, elapsed_s)
            fake_pods.report(pods, demand)
            print(f"{elapsed_s:.1f},{demand:.0f},{len(pods)}", flush=True)
            Event().wait(max(0.0, INTERVAL_S - (time.monotonic() - began - elapsed_s)))
    finally:
        fake_pods.close()


if __name__ == "__main__":
    main()
