"""The errors of the autoscaler, as one tree. The docstring of a class is its default message."""


class AutoscalerError(Exception):
    """The autoscaler failed."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class ConfigurationError(AutoscalerError):
    """A setting is missing or wrong."""


class TraceError(AutoscalerError):
    """A trace cannot be read."""


class SignalsUnavailableError(AutoscalerError):
    """The load reports cannot be read."""


class ClusterError(AutoscalerError):
    """A request to the Kubernetes API failed."""


class ClusterUnavailableError(ClusterError):
    """The API server does not answer."""


class RefusedError(ClusterError):
    """The API server refused the request as invalid."""


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


class PrewarmError(AutoscalerError):
    """The prewarm annotation cannot be read."""


class JournalError(AutoscalerError):
    """The stored decisions cannot be read."""


class NotLeadingError(ClusterError):
    """Another replica leads now. Nothing was written."""
