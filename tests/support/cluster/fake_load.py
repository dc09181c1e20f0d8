"""Pods that tell of requests which nobody sends: for pods that can't, as KWOK's, and for tests without load.

    python -m tests.support.cluster.fake_load --redis redis://10.0.0.1:6379 --deployment likewise-api --demand rise.csv

`rise.csv` has lines of `seconds,requests/s`, between which it is interpolated. The Deployment's ready pods share the
demand; what is beyond their capacity waits in them, and is worked off.
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

EVERY_S = 1.0
_IDLE = {"arrivals": 0, "accepted": 0, "busy": 0, "queue": 0, "in_flight": 0, "ready_s": 0, "posts": []}
Points = Sequence[tuple[float, float]]


def demand_at(points: Points, passed_s: float) -> float:
    """Requests/s at a time, linear between points; before the first and after the last as there."""
    for (start, low), (end, high) in pairwise(points):
        if start <= passed_s < end:
            return low + (high - low) * (passed_s - start) / (end - start)
    return points[-1][1] if passed_s >= points[-1][0] else points[0][1]


@dataclass(slots=True)
class Crowd:
    """Pods that share a demand, each with a capacity in requests/s, and say so at both report_stores."""

    report_stores: Sequence[RedisLoadReportStore]
    capacity: float = 1_000.0
    post: str = "viral"
    queue_s: float = math.inf  # of work that waits in a pod at most: what comes beyond is refused
    _queues: dict[str, float] = field(default_factory=dict)
    _since: dict[str, float] = field(default_factory=dict)

    @classmethod
    def at(cls, urls: Sequence[str], capacity: float = 1_000.0, queue_s: float = math.inf) -> "Crowd":
        """A crowd that tells through these servers."""
        return cls([RedisLoadReportStore(Cluster(urls, timeout_s=1), key) for key in KEYS], capacity, queue_s=queue_s)

    def tell(self, pods: Sequence[str], demand: float, passed_s: float = EVERY_S) -> None:
        """A second of these pods. Those that go get no requests any more, and say so once, as pods in `preStop` do."""
        now = time.monotonic()
        gone = self._queues.keys() - set(pods)
        self._queues = {pod: self._queues.get(pod, 0.0) for pod in pods}
        self._since = {pod: self._since.get(pod, now) for pod in pods}
        each = demand / max(1, len(pods))
        said = {f"api:{pod}:1": self._second(pod, each, now - self._since[pod], passed_s) for pod in pods}
        said |= {f"api:{pod}:1": _IDLE for pod in gone}
        with ThreadPoolExecutor(len(self.report_stores)) as pool:
            list(pool.map(lambda report_store: _tell(report_store, said), self.report_stores))

    def close(self) -> None:
        """Close every socket."""
        for report_store in self.report_stores:
            report_store.close()

    def _second(self, pod: str, arrivals: float, ready_s: float, passed_s: float) -> dict[str, object]:
        waiting = self._queues[pod] + arrivals * passed_s
        served = min(waiting, self.capacity * passed_s)
        self._queues[pod] = min(waiting - served, self.queue_s * self.capacity)
        return {
            "arrivals": arrivals, "accepted": served / passed_s, "busy": served / passed_s / self.capacity,
            "queue": self._queues[pod], "in_flight": min(4, arrivals), "ready_s": ready_s,
            "posts": [(self.post, arrivals * 0.9)],
        }  # fmt: skip


def _tell(report_store: RedisLoadReportStore, said: Mapping[str, dict[str, object]]) -> None:
    with suppress(CounterUnavailableError):  # the other report_store has it
        for who, second in said.items():
            report_store.publish(who, second)


class Pretending:
    """A crowd that tells each second on a thread, of `pods()` and `demand()`, within a block."""

    def __init__(
        self, crowd: Crowd, pods: Callable[[], Sequence[str]], demand: Callable[[], float], every_s: float = EVERY_S
    ) -> None:
        self._crowd, self._pods, self._demand, self._every_s = crowd, pods, demand, every_s
        self._ended = Event()
        self._thread = Thread(target=self._run, name="pretending", daemon=True)

    def __enter__(self) -> "Pretending":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._crowd.close()

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            self._crowd.publish(self._pods(), self._demand(), self._every_s)


def ready_pods(deployment: str, namespace: str) -> list[str]:
    """The names of as many pods as the Deployment has ready: which is which matters to nobody."""
    command = ["kubectl", "--namespace", namespace, "get", "deployment", deployment, "-o", "json"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return [f"{deployment}-{at}" for at in range(json.loads(found.stdout)["status"].get("readyReplicas", 0))]


def main() -> None:
    """Tell until the demand's last point; a line a second says how it stands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--redis", required=True, action="append", help="A node of the cluster; once or more.")
    parser.add_argument("--deployment", required=True)
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--demand", required=True, type=Path)
    parser.add_argument("--capacity", type=float, default=1_000.0, help="Requests/s of a pod.")
    given = parser.parse_args()
    with given.demand.open(newline="", encoding="utf-8") as lines:
        points = [(float(at), float(rate)) for at, rate in csv.reader(lines)]
    crowd, began = Crowd.at(given.redis, given.capacity), time.monotonic()
    try:
        while (passed_s := time.monotonic() - began) < points[-1][0]:
            pods, demand = ready_pods(given.deployment, given.namespace), demand_at(points, passed_s)
            crowd.publish(pods, demand)
            print(f"{passed_s:.1f},{demand:.0f},{len(pods)}", flush=True)
            Event().wait(max(0.0, EVERY_S - (time.monotonic() - began - passed_s)))
    finally:
        crowd.close()


if __name__ == "__main__":
    main()
