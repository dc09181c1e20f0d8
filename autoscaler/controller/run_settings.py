"""What `likewise-autoscaler run` works on, and how; prefix `LIKEWISE_AUTOSCALER_`. How it decides is in `tuning.py`."""

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class RunSettings(BaseSettings):
    """Names are of objects in one namespace."""

    model_config = SettingsConfigDict(env_prefix="LIKEWISE_AUTOSCALER_", frozen=True)

    namespace: str = Field(default="", description="Where the objects are. Empty: where this runs, or KUBECONFIG's.")
    deployment: str = Field(default="likewise-api", min_length=1, description="The API pods' Deployment.")
    hpa: str = Field(default="likewise-api", description="Its HPA, whose floor is raised. Empty: there is none.")
    flushers: str = Field(default="likewise-flusher", description="The flushers' Deployment. Empty: left alone.")
    lease: str = Field(default="likewise-autoscaler", min_length=1, description="The Lease of who leads.")
    decisions: str = Field(
        default="likewise-autoscaler", description="ConfigMap with the last decisions, for `explain`. Empty: not kept."
    )
    source: Literal["redis", "prometheus"] = Field(default="redis", description="Where the signals come from.")
    prometheus_url: str = Field(
        default="", description="With source=prometheus: its address, as http://prometheus:9090."
    )
    prometheus_selector: str = Field(
        default="", description='Which series are meant, as namespace="blog",job="likewise"; empty: all.'
    )
    prometheus_pod_label: str = Field(default="pod", min_length=1, description="The label that names a pod.")
    every_s: float = Field(default=1.0, gt=0, description="From one decision to the next: pods speak each second.")
    request_s: float = Field(default=2.0, gt=0, description="The longest that a request to the API server takes.")
    lease_s: float = Field(default=8.0, gt=0, description="A leader that is silent for so long leads no more.")
    renew_s: float = Field(
        default=1.0,
        gt=0,
        description="How often the lease is renewed or looked at; failover takes lease_s and twice this.",
    )
    yield_s: float = Field(
        default=300, ge=0, description="What another has changed is left alone for so long: an HPA's memory."
    )
    lost_s: float = Field(
        default=300, gt=0, description="No leader for so long: `lower` takes the floor back to the base."
    )
    metrics_host: str = Field(default="127.0.0.1", description="Address /metrics and /livez bind.")
    metrics_port: int = Field(default=9100, ge=0, le=65_535, description="Their port; 0: nowhere.")

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.request_s + self.renew_s >= self.lease_s:
            raise ValueError(
                f"request_s {self.request_s:g} and renew_s {self.renew_s:g} together must be below "
                f"lease_s {self.lease_s:g}, or no leader could renew in time"
            )
        if self.source == "prometheus" and not self.prometheus_url.startswith(("http://", "https://")):
            raise ValueError("source=prometheus needs prometheus_url, as http://prometheus:9090")
        return self
