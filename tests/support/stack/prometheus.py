"""A Prometheus server for tests. It scrapes every half second, and its alerts are faster than the chart's."""

import json
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.devstack.processes import HOST, free_ports, spawn, tail, terminate
from tests.support.runner.requirements import program
from tests.support.waiting import wait_for

_FILES = Path(__file__).parents[3] / "helm" / "likewise" / "files"
ALERTS, DASHBOARD = _FILES / "alerts.yaml", _FILES / "dashboard.json"
# The chart's 5m are 10s here.
FASTER = 30
SCRAPE = "500ms"
_UNITS_S = {"s": 1, "m": 60, "h": 3_600}


def accelerate(rules: str) -> str:
    """Return the rules with every `for` and every range divided by FASTER."""

    def accelerated(found: re.Match[str]) -> str:
        seconds = int(found[2]) * _UNITS_S[found[3]] / FASTER
        return f"{found[1]}{max(1, round(seconds))}s"

    return re.sub(r"(for: |\[)(\d+)([smh])", accelerated, rules)


class Prometheus:
    """A running server, and its API."""

    def __init__(self, port: int) -> None:
        self._url = f"http://{HOST}:{port}/api/v1/"

    def is_ready(self) -> bool:
        try:
            return bool(self._get("status/buildinfo"))
        except OSError:
            return False

    def query(self, expression: str) -> dict[tuple[str, ...], float]:
        """Return the instant values of an expression, by the values of the labels except `__name__`."""
        found = self._get("query", query=expression)["result"]
        return {
            tuple(value for label, value in sorted(one["metric"].items()) if label != "__name__"): float(
                one["value"][1]
            )
            for one in found
        }

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire now."""
        return {one["labels"]["alertname"] for one in self._get("alerts")["alerts"] if one["state"] == "firing"}

    def rules(self) -> list[dict[str, Any]]:
        """Return each rule with its health."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def up(self) -> dict[str, float]:
        """Return 1 or 0 for each target's address: whether the last scrape reached it."""
        return {instance: value for (instance, _), value in self.query("up").items()}

    def _get(self, path: str, **parameters: str) -> Any:
        url = self._url + path + "?" + urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.loads(answer.read())["data"]


@contextmanager
def scraping(root: Path, targets: Mapping[str, Sequence[int]]) -> Iterator[Prometheus]:
    """Run a server that scrapes local ports, by job, and evaluates the chart's alerts."""
    (root / "alerts.yaml").write_text(accelerate(ALERTS.read_text()))
    jobs = [
        {"job_name": job, "static_configs": [{"targets": [f"{HOST}:{port}" for port in ports]}]}
        for job, ports in targets.items()
    ]
    settings = {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE, "evaluation_interval": "1s"}
    config = {"global": settings, "rule_files": [str(root / "alerts.yaml")], "scrape_configs": jobs}
    # JSON is valid YAML.
    (root / "prometheus.yaml").write_text(json.dumps(config))
    [port] = free_ports(1)
    log = root / "prometheus.log"
    argv = [
        str(program("prometheus")),
        f"--config.file={root / 'prometheus.yaml'}",
        f"--storage.tsdb.path={root / 'data'}",
        f"--web.listen-address={HOST}:{port}",
    ]
    process = spawn(argv, log=log)
    try:
        prometheus = Prometheus(port)
        wait_for(lambda: prometheus.is_ready() or _fail_if_dead(process, log), 30)
        yield prometheus
    finally:
        terminate([process], timeout_s=10)


def _fail_if_dead(process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, tail(log)
    return False
