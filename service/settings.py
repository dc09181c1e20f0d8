"""Define every setting, with its unit and default. Settings are read from the environment, prefix `LIKEWISE_`."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from service.deprecated_settings import accept_old_names, warn
from service.errors import ConfigurationError
from service.redis_settings import RedisSettings
from service.sharding import MAX_SHARDS

Ack = Literal["memory", "replicated", "postgres"]

# Old variables that this release still accepts, with a warning.
RENAMED: Final = {
    "LIKEWISE_LIMIT_SHARE_MS": "LIKEWISE_LIMIT_SYNC_MS",
    "LIKEWISE_MINT_LIMIT": "LIKEWISE_NEW_VISITOR_LIMIT",
    "LIKEWISE_REDIS_SILENCE_S": "LIKEWISE_REDIS_UNREADY_AFTER_S",
    "LIKEWISE_SETTLED_TTL_S": "LIKEWISE_IDLE_POST_TTL_S",
    "LIKEWISE_SIGNAL_MS": "LIKEWISE_LOAD_REPORT_MS",
    "LIKEWISE_SLOW_MS": "LIKEWISE_SLOW_REQUEST_MS",
}


class Settings(RedisSettings):
    """The settings of pods, flushers and commands. Lists are comma-separated in the environment."""

    model_config = SettingsConfigDict(env_prefix="LIKEWISE_", frozen=True)

    shard_map: str = Field(
        default="0-255=postgresql://127.0.0.1:5432/likewise",
        description="Postgres database of each shard: `FIRST-LAST=URL`, separated by spaces. "
        "Every shard must be listed exactly once.",
    )
    shards: int = Field(
        default=256, ge=1, le=MAX_SHARDS, description="Number of logical shards, a power of two. Fixed at installation."
    )
    secret: SecretStr = Field(
        default=SecretStr(""),
        description="Secret that signs visitor tokens, at least 32 random characters. `likewise up` generates one.",
    )
    previous_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Previous value of the secret, during a rotation. Tokens that it signed stay valid.",
    )
    sites: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="Origins whose pages may embed the button, such as https://blog.example. "
        "On localhost the port may be `*`.",
    )
    api_keys: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="Hashed API keys of servers, as `likewise key new` prints them. A name may have two keys.",
    )
    jwt_audience: str = Field(
        default="", description="Required audience of users' JWTs. Empty: only visitors can like, not users."
    )
    jwt_issuer: str = Field(default="", description="Required issuer of users' JWTs. Empty: any issuer.")
    jwt_algorithms: Annotated[list[str], NoDecode] = Field(
        default=["RS256", "ES256", "EdDSA"],
        description="Accepted signature algorithms of JWTs. HS algorithms need secrets as keys, "
        "and cannot be combined with others.",
    )
    jwt_keys: SecretStr = Field(
        default=SecretStr(""),
        description="Public keys in PEM that sign JWTs, one after another. For HS: secrets of at least 32 characters.",
    )
    jwks_url: str = Field(
        default="", description="URL of the issuer's published keys (JWKS), such as https://id.example/jwks.json."
    )
    jwks_refresh_s: int = Field(
        default=300, gt=0, description="Interval between reads of the JWKS. Known keys stay valid if a read fails."
    )
    ack: Ack = Field(
        default="memory",
        description="Where a like is stored before it is answered: `memory`, `replicated` or `postgres`. See ADR 4.",
    )
    redis_deadline_ms: int = Field(
        default=2_000, gt=0, description="Maximum time to count a like in Redis. After that, the answer is 503."
    )
    redis_unready_after_s: float = Field(
        default=5, gt=0, description="Time without an answer from any Redis primary after which a pod is not ready."
    )
    postgres_timeout_ms: int = Field(
        default=2_000, gt=0, description="Timeout of connecting to Postgres and of each statement."
    )
    postgres_pool: int = Field(
        default=2, gt=0, description="Maximum number of connections of a process to each database."
    )
    durable_deadline_ms: int = Field(
        default=5_000,
        gt=0,
        description="Maximum time to store a like in Postgres with ack=postgres. After that, the answer is 503.",
    )
    queue_bytes: int = Field(
        default=256 * 2**20,
        gt=0,
        description="Maximum size in bytes of the likes in a Redis node that are not in Postgres yet. "
        "Keep it below the node's maxmemory.",
    )
    idle_post_ttl_s: int = Field(
        default=86_400, gt=0, description="Time after its last like at which a post is removed from Redis."
    )
    count_cache_ms: int = Field(
        default=250,
        ge=0,
        description="Time for which a pod caches counts, a part of the 1 s for which counts may be old.",
    )
    flush_interval_ms: int = Field(
        default=100, gt=0, description="Interval between flushes of the shards with many pending likes."
    )
    flush_age_ms: int = Field(
        default=1_200, ge=0, description="Interval between flushes of other shards. Likes are in Postgres after 2 s."
    )
    flush_batch: int = Field(default=5_000, gt=0, description="Maximum number of likes in one transaction.")
    lease_ms: int = Field(
        default=5_000, gt=0, description="Time after which the shards of a dead flusher are taken over."
    )
    new_visitor_limit: str = Field(
        default="60/minute", description="Rate limit of new visitors per network (an IPv4 address or an IPv6 /64)."
    )
    actor_limit: str = Field(
        default="60/minute", description="Rate limit of likes per actor. Taking a like back is not limited."
    )
    network_limit: str = Field(default="1200/minute", description="Rate limit of likes per network.")
    unlimited_networks: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="Networks without limits per network, such as an office. The limit per actor still applies.",
    )
    limit_sync_ms: int = Field(
        default=400,
        gt=0,
        description="Interval at which pods exchange counts for rate limits. "
        "After two intervals every pod knows of a like.",
    )
    trusted_proxies: Annotated[list[str], NoDecode] = Field(
        default=["127.0.0.1/32", "::1/128", "unix:"],
        description="Networks, or `unix:`, of proxies that may set X-Forwarded-For, X-Request-ID and traceparent.",
    )
    load_report_ms: int = Field(
        default=1_000,
        ge=0,
        description="Interval at which each process reports its load to the autoscaler, through Redis. 0: never.",
    )
    metrics_port: int = Field(default=9100, ge=0, le=65_535, description="Port of /metrics. 0: no metrics.")
    metrics_host: str = Field(
        default="127.0.0.1", description="Address that /metrics listens on. `::` is IPv6 and IPv4."
    )
    slow_request_ms: int = Field(
        default=1_000,
        ge=0,
        description="Duration from which a request is logged. Failed ones (5xx) are always logged. 0: none is logged.",
    )
    trace_endpoint: str = Field(
        default="",
        description="OTLP/HTTP endpoint for traces, such as http://collector:4318. Empty: no tracing.",
    )
    trace_ratio: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of requests to trace, from 0 to 1, unless a trusted proxy has decided already.",
    )
    check_interval_ms: int = Field(
        default=10_000, ge=0, description="Interval at which a flusher checks servers and counts. 0: never."
    )
    demo: bool = Field(default=False, description="Whether `/` serves the demo blog. `likewise up` sets it.")
    state_dir: Path = Field(default=Path(".likewise"), description="Directory for the data of `likewise up`.")

    @field_validator("trusted_proxies", "unlimited_networks", "sites", "api_keys", "jwt_algorithms", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _power_of_two(self) -> "Settings":
        if self.shards & (self.shards - 1):
            raise ValueError(f"shards must be a power of two, not {self.shards}")
        return self


def settings_from_environment(*, of_local_stack: bool = False) -> Settings:
    """Return the settings. `of_local_stack` adds those that `likewise up` wrote to its state directory.

    Old names are accepted with a warning. Raises ConfigurationError that names the variable and the reason.
    """
    warn(accept_old_names(RENAMED))
    try:
        settings = Settings()
        if not of_local_stack:
            return settings
        return Settings(_env_file=settings.state_dir / "env")  # type: ignore[call-arg]  # pydantic-settings takes it
    except ValidationError as error:
        lines = [
            f"LIKEWISE_{'_'.join(str(part) for part in one['loc']).upper() or '*'}: {one['msg']}"
            for one in error.errors()
        ]
        raise ConfigurationError("; ".join(lines)) from error
