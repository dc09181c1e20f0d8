"""What ends a run."""


class BenchError(Exception):
    """Something was answered or counted wrongly: figures of such a run say nothing. The message is a sentence."""
