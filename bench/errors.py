"""The error that ends a run of the bench."""


class BenchError(Exception):
    """A response or a count was wrong, so the figures of the run mean nothing. The message is a sentence."""
