"""Read settings from the environment, with the prefix `LIKEWISE_AUTOSCALER_`.

Units and reasons are in `autoscaler.policy.tuning`.
"""

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from autoscaler.errors import ConfigurationError
from autoscaler.policy.tuning import Tuning
from service.deprecated_settings import accept_old_names, warn

PREFIX = "LIKEWISE_AUTOSCALER_"

# Old names of settings, without the prefix. Each works for one release, with a warning.
_RENAMED = {
    "DRAIN_S": "QUEUE_DRAIN_S",
    "FLUSH_AGE_S": "MAX_PENDING_AGE_S",
    "FUTURE_S": "MAX_CLOCK_SKEW_S",
    "HOLD_S": "STABILIZATION_S",
    "LEAD_S": "POD_STARTUP_S",
    "LOST_S": "LEADERLESS_S",
    "PARTIAL_SHARE": "MAX_MISSING_SHARE",
    "RAISE_FACTOR": "MAX_SCALE_UP_FACTOR",
    "RAISE_UTILISATION": "SCALE_UP_UTILIZATION",
    "RELEASE_EVERY_S": "SCALE_DOWN_PERIOD_S",
    "RELEASE_SHARE": "MAX_SCALE_DOWN_SHARE",
    "RESTART_HOLD_S": "RESTART_STABILIZATION_S",
    "TARGET_UTILISATION": "TARGET_UTILIZATION",
    "WARM_S": "WARMUP_S",
    "YIELD_S": "BACKOFF_S",
}
RENAMED = {PREFIX + old: PREFIX + new for old, new in _RENAMED.items()}

T = TypeVar("T", bound=BaseSettings)


class Settings(Tuning, BaseSettings):
    """The constants of the decision, read from the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)


def settings_from_environment(**given: Any) -> Settings:
    """Return the constants of the decision. See `read_settings`."""
    return read_settings(Settings, **given)


def read_settings(kind: type[T], **given: Any) -> T:
    """Return settings of a kind. `given` takes precedence over the environment.

    An old name of a setting works, with a warning on standard error. Raises ConfigurationError, which names the
    variable and what is wrong with it.
    """
    warn(accept_old_names(RENAMED))
    prefix = kind.model_config["env_prefix"]
    try:
        return kind(**given)
    except ValidationError as error:
        raise ConfigurationError("; ".join(_sentence(prefix, one) for one in error.errors())) from error


def _sentence(prefix: str, one: Any) -> str:
    name = "_".join(str(part) for part in one["loc"]).upper()
    return f"{prefix}{name or '*'}: {one['msg'].removeprefix('Value error, ')}"
