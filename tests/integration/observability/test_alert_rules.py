"""The alert rules run by promtool: their syntax, and those on the metrics of Kubernetes on made-up series."""

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.support.runner.requirements import program
from tests.support.stack.prometheus import ALERTS

RULES = {rule["alert"]: rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]}
NAMESPACE, NAME = "blog", "blog-likewise-api"
SOME = f'namespace="{NAMESPACE}", deployment="{NAME}"'
HPA = f'namespace="{NAMESPACE}", horizontalpodautoscaler="{NAME}"'
OTHER = f'namespace="{NAMESPACE}", deployment="shop"'
# The label that names the object, and the value with which the alert fires.
OF_KUBERNETES = {
    "LikewisePodsNotReady": ("deployment", "1"),
    "LikewiseHpaAtMax": ("horizontalpodautoscaler", "10"),
}
# One value per minute.
SERIES = {
    f"kube_deployment_status_replicas_ready{{{SOME}}}": "2+0x5 1+0x15 2+0x10",
    f"kube_deployment_spec_replicas{{{SOME}}}": "2+0x40",
    f"kube_deployment_status_replicas_ready{{{OTHER}}}": "0+0x40",
    f"kube_deployment_spec_replicas{{{OTHER}}}": "2+0x40",
    f"kube_horizontalpodautoscaler_status_desired_replicas{{{HPA}}}": "4+0x5 10+0x15 4+0x10",
    f"kube_horizontalpodautoscaler_spec_max_replicas{{{HPA}}}": "10+0x40",
}


def test_promtool_accepts_the_rules() -> None:
    done = subprocess.run([program("promtool"), "check", "rules", "--lint-fatal", str(ALERTS)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_alerts_on_kubernetes_metrics_fire_after_ten_minutes(tmp_path: Path) -> None:
    cases = [
        {"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": [expected(alert, label, value)] if fires else []}
        for minute, fires in ((5, False), (14, False), (18, True), (24, False))
        for alert, (label, value) in OF_KUBERNETES.items()
    ]
    inputs = [{"series": series, "values": values} for series, values in SERIES.items()]
    tests = [{"interval": "1m", "input_series": inputs, "alert_rule_test": cases}]
    document = tmp_path / "tests.yaml"
    document.write_text(json.dumps({"rule_files": [str(ALERTS)], "tests": tests}))
    done = subprocess.run([program("promtool"), "test", "rules", str(document)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def expected(alert: str, label: str, value: str) -> dict[str, Any]:
    """Return the expected alert for our own object."""
    filled = {f"{{{{ $labels.{label} }}}}": NAME, "{{ $value }}": value}
    annotations = dict(RULES[alert]["annotations"])
    for placeholder, text in filled.items():
        annotations = {name: template.replace(placeholder, text) for name, template in annotations.items()}
    labels = {**RULES[alert]["labels"], "namespace": NAMESPACE, label: NAME}
    return {"exp_labels": labels, "exp_annotations": annotations}
