"""Settings from the environment, prefix `LIKEWISE_AUTOSCALER_`; units and reasons are in `autoscaler.policy.tuning`."""

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from autoscaler.errors import ConfigurationError
from autoscaler.policy.tuning import Tuning

PREFIX = "LIKEWISE_AUTOSCALER_"

T = TypeVar("T", bound=BaseSettings)


class Settings(Tuning, BaseSettings):
    """What the decision is tuned by, as the environment has it."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)


def settings_from_environment(**given: Any) -> Settings:
    """The settings; `given` goes before the environment. Raises ConfigurationError."""
    return read_settings(Settings, **given)


def read_settings(kind: type[T], **given: Any) -> T:
    """Settings of a kind; `given` goes before the environment.

    Raises ConfigurationError naming the variable and what is wrong with it.
    """
    prefix = kind.model_config["env_prefix"]
    try:
        return kind(**given)
    except ValidationError as error:
        raise ConfigurationError("; ".join(_sentence(prefix, one) for one in error.errors())) from error


def _sentence(prefix: str, one: Any) -> str:
    name = "_".join(str(part) for part in one["loc"]).upper()
    return f"{prefix}{name or '*'}: {one['msg'].removeprefix('Value error, ')}"
