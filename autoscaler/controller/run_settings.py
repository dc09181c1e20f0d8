"""Settings of what `likewise-autoscaler run` works on, with the prefix `LIKEWISE_AUTOSCALER_`.

The constants of the decision are in `autoscaler/policy/tuning.py`.
"""

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class RunSettings(BaseSettings):
    """The objects to scale, all in one namespace, and the timing."""

    model_config = SettingsConfigDict(env_prefix="LIKEWISE_AUTOSCALER_", frozen=True)

    namespace: str = Field(
        default="", description="Namespace of all objects. Empty: the pod's own, or the one in KUBECONFIG."
    )
    deployment: str = Field(default="likewise-api", min_length=1, description="Deployment of the API pods.")
    hpa: str = Field(
        default="likewise-api", description="HPA of that Deployment, whose minReplicas is raised. Empty: there is none."
    )
    flushers: str = Field(
        default="likewise-flusher", description="Deployment of the flushers. Empty: it is not scaled."
    )
    lease: str = Field(
        default="likewise-autoscaler", min_length=1, description="Lease by which the replicas elect their leader."
    )
    decisions: str = Field(
        default="likewise-autoscaler",
        description="ConfigMap that stores the last decisions for `explain`. Empty: they are not stored.",
    )
    source: Literal["redis", "prometheus"] = Field(default="redis", description="Source of the load reports.")
    prometheus_url: str = Field(
        default="", description="With source=prometheus: its address, as in http://prometheus:9090."
    )
    prometheus_selector: str = Field(
        default="",
        description='Labels of the series to read, as in namespace="blog",job="likewise". Empty: all series.',
    )
    prometheus_pod_label: str = Field(default="pod", min_length=1, description="Label that names a series' pod.")
    every_s: float = Field(default=1.0, gt=0, description="Time between two decisions. Pods report each second.")
    request_s: float = Field(default=2.0, gt=0, description="Timeout of a request to the API server.")
    lease_s: float = Field(
        default=8.0, gt=0, description="Duration of the lease. A leader that does not renew it in time is replaced."
    )
    renew_s: float = Field(
        default=1.0,
        gt=0,
        description="Time between two attempts to renew or acquire the lease. Failover takes lease_s plus twice this.",
    )
    backoff_s: float = Field(
        default=300,
        ge=0,
        description="Time for which a number is left alone after somebody else changed it. An HPA's default window.",
    )
    leaderless_s: float = Field(
        default=300, gt=0, description="Time without a leader after which `reset-floor` resets minReplicas."
    )
    metrics_host: str = Field(
        default="127.0.0.1", description="Address of /metrics and /livez. `[::]` is every address, IPv6 and IPv4."
    )
    metrics_port: int = Field(default=9100, ge=0, le=65_535, description="Port of /metrics and /livez. 0: none.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.request_s + self.renew_s >= self.lease_s:
            raise ValueError(
                f"request_s {self.request_s:g} plus renew_s {self.renew_s:g} must be below lease_s {self.lease_s:g}, "
                "or no leader could renew in time"
            )
        if self.source == "prometheus" and not self.prometheus_url.startswith(("http://", "https://")):
            raise ValueError("source=prometheus needs prometheus_url, as in http://prometheus:9090")
        return self
