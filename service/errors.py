"""The error classes of Likewise.

A docstring is the default message. `service.api.http.problems` turns errors into HTTP problems.
"""


class LikewiseError(Exception):
    """Likewise could not complete the request."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class ConfigurationError(LikewiseError):
    """A setting is missing or wrong."""


class InvalidInputError(LikewiseError):
    """A field of the request is not valid."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class InvalidCredentialError(LikewiseError):
    """The token or key of this request is not valid; nothing was changed."""


class ForbiddenError(LikewiseError):
    """The caller may not do this."""


class ForeignSiteError(ForbiddenError):
    """A page of this origin may not do this; LIKEWISE_SITES lists those that may."""


class UnavailableError(LikewiseError):
    """A required part does not answer; nothing was confirmed, and it is safe to try again."""

    part = "service"

    def __init__(self, message: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class CounterUnavailableError(UnavailableError):
    """The Redis node of this post does not answer."""

    part = "redis"


class QueueFullError(CounterUnavailableError):
    """The queue in Redis is full; new likes wait until some are stored in Postgres."""


class NotReplicatedError(CounterUnavailableError):
    """The like was counted, but no replica confirmed it in time."""


class KeysUnavailableError(UnavailableError):
    """The keys of users' tokens could not be read yet."""

    part = "jwks"


class LikeStoreUnavailableError(UnavailableError):
    """The Postgres database of this post does not answer."""

    part = "postgres"


class LikeStoreTimeoutError(LikeStoreUnavailableError):
    """Postgres did not finish a statement in time."""


class NotDurableError(LikeStoreUnavailableError):
    """The like was counted, but was not in Postgres in time."""
