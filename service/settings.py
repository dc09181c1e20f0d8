"""Every setting: its unit, its default and why. Read from the environment, prefix `LIKEWISE_`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from service.errors import ConfigurationError
from service.redis_settings import RedisSettings
from service.sharding import MAX_SHARDS

Ack = Literal["memory", "replicated", "postgres"]


class Settings(RedisSettings):
    """What a pod, a flusher or a command needs to know. Lists are comma-separated."""

    model_config = SettingsConfigDict(env_prefix="LIKEWISE_", frozen=True)

    shard_map: str = Field(
        default="0-255=postgresql://127.0.0.1:5432/likewise",
        description="Which database holds which shards: `FIRST-LAST=URL`, separated by spaces. All shards, each once.",
    )
    shards: int = Field(
        default=256, ge=1, le=MAX_SHARDS, description="Logical shards, a power of two; fixed at install."
    )
    secret: SecretStr = Field(
        default=SecretStr(""),
        description="Signs visitors' tokens; 32 random characters or more. `make up` makes and keeps one.",
    )
    previous_secret: SecretStr = Field(
        default=SecretStr(""),
        description="The secret before this one, while it is being changed: its visitors stay who they are.",
    )
    sites: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="Origins whose pages may embed the button, as https://blog.example; on localhost any port is `*`.",
    )
    api_keys: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="Servers' keys, hashed: as `likewise key new` prints them; two of a name both count.",
    )
    jwt_audience: str = Field(
        default="", description="Whom users' JWTs must be for. Empty: there are no users, visitors only."
    )
    jwt_issuer: str = Field(default="", description="Who must have issued users' JWTs. Empty: not checked.")
    jwt_algorithms: Annotated[list[str], NoDecode] = Field(
        default=["RS256", "ES256", "EdDSA"],
        description="Signatures that count; a JWT has no say in it. HS256 and its kind go alone, with secrets as keys.",
    )
    jwt_keys: SecretStr = Field(
        default=SecretStr(""),
        description="Public keys in PEM, one after another; for HS256 secrets of 32 characters or more.",
    )
    jwks_url: str = Field(default="", description="Where the issuer publishes its keys, https://.../jwks.json.")
    jwks_refresh_s: int = Field(default=300, gt=0, description="How often they are read; kept while nobody answers.")
    ack: Ack = Field(default="memory", description="What an answered like has reached: see docs/adr/0004.")
    redis_deadline_ms: int = Field(default=2_000, gt=0, description="A like not counted by then is answered 503.")
    redis_silence_s: float = Field(
        default=5,
        gt=0,
        description="A pod is not ready once no Redis primary at all has answered for so long: more than a hiccup.",
    )
    postgres_timeout_ms: int = Field(default=2_000, gt=0, description="Connecting to, and each statement of, Postgres.")
    postgres_pool: int = Field(default=2, gt=0, description="Connections a process opens to each database, at most.")
    durable_deadline_ms: int = Field(default=5_000, gt=0, description="With ack=postgres: the wait before 503.")
    queue_bytes: int = Field(
        default=256 * 2**20,
        gt=0,
        description="Likes not yet in Postgres that a Redis node may hold; keep below its maxmemory.",
    )
    settled_ttl_s: int = Field(default=86_400, gt=0, description="A post without events leaves Redis after this.")
    count_cache_ms: int = Field(
        default=250, ge=0, description="A pod's own cache of counts; half of the promised second is left."
    )
    flush_interval_ms: int = Field(
        default=100, gt=0, description="How often a flusher looks at shards with many likes."
    )
    flush_age_ms: int = Field(
        default=1_200,
        ge=0,
        description="How often it flushes all others together: most of the two seconds in which a like is durable.",
    )
    flush_batch: int = Field(default=5_000, gt=0, description="Entries in one transaction, of one shard or of many.")
    lease_ms: int = Field(default=5_000, gt=0, description="A dead flusher's shards are taken over after this.")
    mint_limit: str = Field(
        default="60/minute", description="New visitors of a network (IPv4 address, IPv6 /64): a carrier's are many."
    )
    actor_limit: str = Field(default="60/minute", description="Likes of an actor. Taking one back is never refused.")
    network_limit: str = Field(default="1200/minute", description="Likes from a network, by whomever.")
    unlimited_networks: Annotated[list[str], NoDecode] = Field(
        default=[], description="Networks without these limits: an office, a load test. An actor's own stays."
    )
    limit_share_ms: int = Field(
        default=400, gt=0, description="How often pods tell each other what was used: all know it in twice that."
    )
    trusted_proxies: Annotated[list[str], NoDecode] = Field(
        default=["127.0.0.1/32", "::1/128"],
        description="Networks whose X-Forwarded-For, X-Request-ID and traceparent count.",
    )
    signal_ms: int = Field(
        default=1_000,
        ge=0,
        description="How often each process tells the autoscaler what it has to do, through Redis; 0: never.",
    )
    metrics_port: int = Field(
        default=9100, ge=0, le=65_535, description="Where /metrics listens, 127.0.0.1 or `metrics_host`."
    )
    metrics_host: str = Field(default="127.0.0.1", description="Address /metrics binds.")
    slow_ms: int = Field(
        default=1_000,
        ge=0,
        description="A request that took so long, or was answered 5xx, is logged, ten a second at most; 0: none.",
    )
    trace_endpoint: str = Field(
        default="", description="Where traces go, OTLP over HTTP, as http://collector:4318. Empty: there are none."
    )
    trace_ratio: float = Field(
        default=0.01, ge=0, le=1, description="Share of requests that are traced, where a proxy has not decided that."
    )
    check_interval_ms: int = Field(
        default=10_000,
        ge=0,
        description="How often a flusher asks each server if it answers, and compares one shard's counts; 0: never.",
    )
    demo: bool = Field(default=False, description="Whether `/` shows the demo blog; `likewise up` does.")
    state_dir: Path = Field(default=Path(".likewise"), description="Where `likewise up` keeps its servers' data.")

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
    """The settings; `of_local_stack`: what `likewise up` left in its state directory, where nothing else is set.

    Raises ConfigurationError naming the variable and what is wrong with it.
    """
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
