"""How Redis is reached, by the same variables as the pods' (`LIKEWISE_REDIS_*`)."""

from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class RedisSettings(BaseSettings):
    """Addresses are comma-separated, without credentials or with them."""

    model_config = SettingsConfigDict(env_prefix="LIKEWISE_", frozen=True)

    redis_urls: Annotated[list[str], NoDecode] = Field(
        default=["redis://127.0.0.1:7100"], min_length=1, description="Some nodes of the Redis Cluster."
    )
    redis_username: str = Field(default="", description="Its ACL user. Empty: what the URLs say.")
    redis_password: SecretStr = Field(default=SecretStr(""), description="The password. Empty: what the URLs say.")
    redis_ca_file: str = Field(default="", description="PEM file of who signs the certificates. Empty: the system's.")
    redis_timeout_ms: int = Field(
        default=1_000, gt=0, description="Connecting to a node, and each of its answers; a look comes each second."
    )

    @field_validator("redis_urls", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    def options(self) -> dict[str, Any]:
        """For a client of redis-py."""
        timeout_s = self.redis_timeout_ms / 1000
        given: dict[str, Any] = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
        if self.redis_username:
            given["username"] = self.redis_username
        if self.redis_password.get_secret_value():
            given["password"] = self.redis_password.get_secret_value()
        if self.redis_ca_file and any(url.startswith("rediss://") for url in self.redis_urls):
            given["ssl_ca_certs"] = self.redis_ca_file
        return given
