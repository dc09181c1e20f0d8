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


class ClusterError(AutoscalerError):
    """The Kubernetes API did not do what was asked."""


class ClusterUnavailableError(ClusterError):
    """The API server does not answer."""


class RefusedError(ClusterError):
    """The API server takes it for wrong."""


class ForbiddenError(ClusterError):
    """There is no permission."""


class MissingError(ClusterError):
    """The object does not exist."""


class MismatchError(ClusterError):
    """Objects that should belong together do not."""


class ConflictError(ClusterError):
    """The object has changed since it was read."""


class ThrottledError(ClusterError):
    """The API server is busy."""

    def __init__(self, message: str | None = None, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class WishError(AutoscalerError):
    """What a person asked for can't be read."""


class JournalError(AutoscalerError):
    """What was kept of decisions can't be read."""


class NotLeadingError(ClusterError):
    """Another leads by now: nothing was written."""
