"""Settings of the connection to Redis, which the service and the autoscaler share."""

from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class RedisSettings(BaseSettings):
    """How to reach the Redis Cluster. `redis_urls` is comma-separated in the environment."""

    model_config = SettingsConfigDict(env_prefix="LIKEWISE_", frozen=True)

    redis_urls: Annotated[list[str], NoDecode] = Field(
        default=["redis://127.0.0.1:7100"],
        min_length=1,
        description="Some nodes of the Redis Cluster. The other nodes are found through them.",
    )
    redis_username: str = Field(default="", description="ACL user on all nodes. Empty: the user in the URLs.")
    redis_password: SecretStr = Field(
        default=SecretStr(""), description="Password of the ACL user. Empty: the password in the URLs."
    )
    redis_ca_file: str = Field(
        default="",
        description="PEM file with the authority that signs the nodes' certificates (rediss://). "
        "Empty: the system's authorities.",
    )
    redis_timeout_ms: int = Field(
        default=1_000, gt=0, description="Timeout of connecting to a Redis node and of each round trip."
    )

    @field_validator("redis_urls", mode="before")
    @classmethod
    def _split_urls(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    def client_options(self) -> dict[str, Any]:
        """Return the keyword arguments for a redis-py client."""
        timeout_s = self.redis_timeout_ms / 1000
        options: dict[str, Any] = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
        if self.redis_username:
            options["username"] = self.redis_username
        if self.redis_password.get_secret_value():
            options["password"] = self.redis_password.get_secret_value()
        # redis-py refuses TLS options for a URL without TLS.
        if self.redis_ca_file and any(url.startswith("rediss://") for url in self.redis_urls):
            options["ssl_ca_certs"] = self.redis_ca_file
        return options
