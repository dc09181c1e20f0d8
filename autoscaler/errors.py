"""What can go wrong, as one tree. A docstring is the default message."""


class AutoscalerError(Exception):
    """The autoscaler could not do what was asked."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class ConfigurationError(AutoscalerError):
    """A setting is missing or wrong."""


class TraceError(AutoscalerError):
    """A trace can't be read."""


class SignalsUnavailableError(AutoscalerError):
    """What the pods tell can't be read."""
