"""A viral post through NGINX, with the autoscaler beside the HPA and with the HPA alone, both in one picture.

    python -m tests.support.cluster.viral_load

What it wants is in tests/cluster/README.md. It installs the chart in the namespace `viral` and removes it again. Writes
bench/results/viral-drill.json and docs/images/autoscaler-viral-drill.svg.
No other Ingress may take all hosts meanwhile.
"""

import argparse
import json
import time
from datetime import datetime
from typing import Any

from bench.scaling.picture import RUNS, pictured
from bench.scaling.recorder import Recorder, at
from tests.support.chart import ROOT
from tests.support.cluster.kubectl import PATIENT, Namespace, eventually, namespace
from tests.support.cluster.load_pod import ingress_address, send

RESULTS = ROOT / "bench" / "results" / "viral-drill.json"
PICTURE = ROOT / "docs" / "images" / "autoscaler-viral-drill.svg"
NGINX = "ingress.annotations.nginx\\.ingress\\.kubernetes\\.io"
VALUES = {
    "redis.replicas": 3,  # primaries only
    "redis.persistence.enabled": False,
    "postgres.persistence.enabled": False,
    "flusher.replicas": 1,
    "autoscaler.replicas": 1,
    "autoscaler.resources.requests.cpu": "20m",
    "autoscaler.settings.restart_stabilization_s": 0,
    "api.preStopSeconds": 2,
    "api.resources.requests.cpu": "50m",
    "api.resources.limits.cpu": "100m",  # so that a pod, not the machine, is what is full
    "hpa.targetCPUUtilizationPercentage": 120,  # of the request: 60 % of what a pod may use, in both runs
    "hpa.maxReplicas": 8,
    # Weights, where cores are scarce: pods that start must not take the servers' time, nor the drill's.
    "redis.resources.requests.cpu": "100m",
    "postgres.resources.requests.cpu": "100m",
    "flusher.resources.requests.cpu": "50m",
    f"{NGINX}/limit-rps": "null",  # the crowd comes from one pod: no limits for it, here and below
    "settings.trusted_proxies[0]": "0.0.0.0/0",
    "settings.unlimited_networks[0]": "0.0.0.0/0",
    **PATIENT,  # the drill asks whether all ends as one number; what is slow is to be seen as slow
}
LEAST = 2
QUIET_S, AFTER_S = 10, 100  # recorded before the first like and after the last
_JSON = "drill as JSON: "


def _script(address: str, likes: int, seconds: int) -> str:
    """The drill, and at its end its figures as a line of JSON."""
    options = f"--likes {likes} --in {seconds}s --profile viral --networks 1000 --connections 256 --expect-trouble"
    return (
        f"likewise drill {options} --url http://{address} --json /tmp/drill.json; code=$?; "
        f"printf '{_JSON}'; tr -d '\\n' </tmp/drill.json; echo; exit $code"
    )


def recorded(space: Namespace, likes: int, seconds: int) -> dict[str, Any]:
    """One run: each second's pods, from `QUIET_S` before the first like on, and what the drill says."""
    space.kubectl("delete", "pod", "drill", "--ignore-not-found", "--wait")
    with Recorder(space.name, "likewise-api", "app.kubernetes.io/component=api", "likewise-api") as recorder:
        eventually(lambda: at(recorder.ready, time.monotonic()) == at(recorder.asked, time.monotonic()) == LEAST, 400)
        send(space, "sh", "-c", _script(ingress_address(space), likes, seconds), cpu="200m")
        eventually(lambda: _JSON in space.kubectl("logs", "drill"), seconds + 180)
        found = _figures(space)
        began = _began(space)
        eventually(lambda: time.monotonic() > began + seconds + AFTER_S, seconds + AFTER_S)
    moments = [began + second for second in range(-QUIET_S, seconds + AFTER_S)]
    kinds = ("asked", "floor", "existing", "ready")
    pods = {kind: [at(getattr(recorder, kind), moment) for moment in moments] for kind in kinds}
    figures = {name: found[name] for name in ("ok", "answers", "errors", "answer", "series")}
    figures["answer"].pop("curve")
    return {"from_s": -QUIET_S, "pods": pods, "lead_s": [round(lead, 1) for lead in recorder.leads_s], "drill": figures}


def _figures(space: Namespace) -> dict[str, Any]:
    said, _, figures = space.kubectl("logs", "drill").partition(_JSON)
    if not figures.strip():
        raise SystemExit(f"the drill did not begin: {said}")
    return dict(json.loads(figures))


def _began(space: Namespace) -> float:
    """When the drill's first like was due, on our clock: its progress is first said then."""
    lines = space.kubectl("logs", "drill", "--timestamps").splitlines()
    first = next(line for line in lines if " likes: " in line).split()[0]
    ago_s = time.time() - datetime.fromisoformat(first[:26].rstrip("Z") + "+00:00").timestamp()
    return time.monotonic() - ago_s


def main() -> None:
    """Both runs; the files are written at the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--likes", type=int, default=46_000)
    parser.add_argument("--seconds", type=int, default=150)
    parser.add_argument("--capacity", type=float, default=250, help="Likes/s of a pod, until pods show theirs.")
    asked = parser.parse_args()
    runs: dict[str, Any] = {}
    with namespace("viral") as space:
        for name in RUNS:  # the autoscaler first, as the HPA alone keeps its pods for minutes
            settings = {"autoscaler.settings.pod_capacity": asked.capacity} if name == RUNS[0] else {}
            space.install(**{**VALUES, **settings, "autoscaler.enabled": name == RUNS[0]})
            runs[name] = recorded(space, asked.likes, asked.seconds)
            print(name, json.dumps({key: runs[name]["drill"][key] for key in ("ok", "answer", "errors")}), flush=True)
    found = {"likes": asked.likes, "seconds": asked.seconds, "capacity": asked.capacity, "runs": runs}
    RESULTS.write_text(json.dumps(found) + "\n")
    PICTURE.write_text(pictured(found))


if __name__ == "__main__":
    main()
