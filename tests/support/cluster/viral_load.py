"""Record a viral post through NGINX, with the autoscaler and with the HPA alone, and draw both in one picture.

    python -m tests.support.cluster.viral_load

tests/cluster/README.md lists the requirements. The module installs the chart in the namespace `viral`, deletes it
afterwards, and writes bench/results/viral-drill.json and docs/images/autoscaler-viral-drill.svg. No other Ingress may
match all hosts meanwhile.
"""

import argparse
import json
import time
from datetime import datetime
from typing import Any

from bench.scaling.plot import RUNS, plot_runs
from bench.scaling.recorder import Recorder, Steps, value_at
from tests.support.cluster.kubectl import LONG_TIMEOUTS, Namespace, eventually, namespace
from tests.support.cluster.load_pod import ingress_address, start_drill
from tests.support.kubernetes.chart import ROOT

RESULTS = ROOT / "bench" / "results" / "viral-drill.json"
PICTURE = ROOT / "docs" / "images" / "autoscaler-viral-drill.svg"
NGINX = "ingress.annotations.nginx\\.ingress\\.kubernetes\\.io"
VALUES = {
    # Primaries only.
    "redis.replicas": 3,
    "redis.persistence.enabled": False,
    "postgres.persistence.enabled": False,
    "flusher.replicas": 1,
    "autoscaler.replicas": 1,
    "autoscaler.resources.requests.cpu": "20m",
    "autoscaler.settings.restart_stabilization_s": 0,
    "api.preStopSeconds": 2,
    "api.resources.requests.cpu": "50m",
    # The pods must be the bottleneck, not the machine.
    "api.resources.limits.cpu": "100m",
    # In percent of the CPU request, which is 60 % of the CPU limit, in both runs.
    "hpa.targetCPUUtilizationPercentage": 120,
    "hpa.maxReplicas": 8,
    # CPU weights on a small machine: pods that start must not slow down the servers or the drill.
    "redis.resources.requests.cpu": "100m",
    "postgres.resources.requests.cpu": "100m",
    "flusher.resources.requests.cpu": "50m",
    # All requests come from one pod, so it has no limits.
    f"{NGINX}/limit-rps": "null",
    "settings.trusted_proxies[0]": "0.0.0.0/0",
    "settings.unlimited_networks[0]": "0.0.0.0/0",
    # Slow likes must be recorded as slow, not refused.
    **LONG_TIMEOUTS,
}
MIN_PODS = 2
# Recorded time before the first and after the last like.
RECORDED_BEFORE_S, RECORDED_AFTER_S = 10, 100
_JSON = "drill as JSON: "


def _script(address: str, likes: int, seconds: int) -> str:
    """Return a script that runs the drill and prints its figures as a line of JSON."""
    options = f"--likes {likes} --in {seconds}s --profile viral --networks 1000 --connections 256 --allow-errors"
    return (
        f"likewise drill {options} --url http://{address} --json /tmp/drill.json; code=$?; "
        f"printf '{_JSON}'; tr -d '\\n' </tmp/drill.json; echo; exit $code"
    )


def record_run(space: Namespace, likes: int, seconds: int) -> dict[str, Any]:
    """Return the numbers of pods in each second of one run, and the figures of the drill."""
    space.kubectl("delete", "pod", "drill", "--ignore-not-found", "--wait")
    with Recorder(space.name, "likewise-api", "app.kubernetes.io/component=api", "likewise-api") as recorder:
        eventually(lambda: _now(recorder.ready) == _now(recorder.desired) == MIN_PODS, 400)
        start_drill(space, "sh", "-c", _script(ingress_address(space), likes, seconds), cpu="200m")
        eventually(lambda: _JSON in space.kubectl("logs", "drill"), seconds + 180)
        drill = _figures(space)
        start = _start_of_drill(space)
        eventually(lambda: time.monotonic() > start + seconds + RECORDED_AFTER_S, seconds + RECORDED_AFTER_S)
    moments = [start + second for second in range(-RECORDED_BEFORE_S, seconds + RECORDED_AFTER_S)]
    recorded = {
        "asked": recorder.desired,
        "floor": recorder.min_replicas,
        "existing": recorder.existing,
        "ready": recorder.ready,
    }
    pods = {kind: [value_at(steps, moment) for moment in moments] for kind, steps in recorded.items()}
    figures = {name: drill[name] for name in ("ok", "answers", "errors", "answer", "series")}
    figures["answer"].pop("curve")
    return {
        "from_s": -RECORDED_BEFORE_S,
        "pods": pods,
        "lead_s": [round(startup_s, 1) for startup_s in recorder.startup_times_s],
        "drill": figures,
    }


def _now(steps: Steps) -> int:
    return value_at(steps, time.monotonic())


def _figures(space: Namespace) -> dict[str, Any]:
    output, _, figures = space.kubectl("logs", "drill").partition(_JSON)
    if not figures.strip():
        raise SystemExit(f"the drill did not start: {output}")
    return dict(json.loads(figures))


def _start_of_drill(space: Namespace) -> float:
    """Return the time of the drill's first progress line on the monotonic clock. The first like is due then."""
    lines = space.kubectl("logs", "drill", "--timestamps").splitlines()
    first = next(line for line in lines if " likes: " in line).split()[0]
    ago_s = time.time() - datetime.fromisoformat(first[:26].rstrip("Z") + "+00:00").timestamp()
    return time.monotonic() - ago_s


def main() -> None:
    """Record both runs and write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--likes", type=int, default=46_000)
    parser.add_argument("--seconds", type=int, default=150)
    parser.add_argument(
        "--capacity", type=float, default=250, help="Likes/s of a pod, until the autoscaler has measured it."
    )
    options = parser.parse_args()
    runs: dict[str, Any] = {}
    with namespace("viral") as space:
        # The autoscaler is first, because the HPA alone keeps its pods for minutes.
        for name in RUNS:
            settings = {"autoscaler.settings.pod_capacity": options.capacity} if name == RUNS[0] else {}
            space.install(**{**VALUES, **settings, "autoscaler.enabled": name == RUNS[0]})
            runs[name] = record_run(space, options.likes, options.seconds)
            print(name, json.dumps({key: runs[name]["drill"][key] for key in ("ok", "answer", "errors")}), flush=True)
    drill = {"likes": options.likes, "seconds": options.seconds, "capacity": options.capacity, "runs": runs}
    RESULTS.write_text(json.dumps(drill) + "\n")
    PICTURE.write_text(plot_runs(drill))


if __name__ == "__main__":
    main()
