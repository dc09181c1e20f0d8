"""What can go wrong, as one tree. A docstring is the default message; HTTP lives in `service.api.http.problems`."""


class LikewiseError(Exception):
    """Likewise could not do what was asked."""

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
    """Who asks may not do this."""


class ForeignSiteError(ForbiddenError):
    """A page of this origin may not do this; LIKEWISE_SITES lists those that may."""


class UnavailableError(LikewiseError):
    """A part that is needed does not answer; nothing was promised, and asking again is safe."""

    part = "service"

    def __init__(self, message: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class CounterUnavailableError(UnavailableError):
    """The Redis node of this post does not answer."""

    part = "redis"


class QueueFullError(CounterUnavailableError):
    """Redis holds as many likes not yet in Postgres as it may; new ones wait until some are stored."""


class NotReplicatedError(CounterUnavailableError):
    """The like was counted, but no replica confirmed it in time."""


class KeysUnavailableError(UnavailableError):
    """The keys of users' tokens could not be read yet."""

    part = "jwks"


class LikeStoreUnavailableError(UnavailableError):
    """The Postgres database of this post does not answer."""

    part = "postgres"


class NotDurableError(LikeStoreUnavailableError):
    """The like was counted, but was not in Postgres in time."""
