"""The errors of the bench."""


class BenchError(Exception):
    """A response or a count was wrong, so the figures of the run mean nothing. The message is a sentence."""


class MissingProgramError(Exception):
    """A peer needs a program that this machine does not have. The message says how to install it."""
