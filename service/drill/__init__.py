"""`likewise drill`: many likes when they are due, and whether every one of them was counted once and kept."""

from service.drill.conduct import run
from service.drill.plan import DrillUsageError, Options, parse_duration
from service.drill.results import Results
from service.drill.stack import default_url

__all__ = ["DrillUsageError", "Options", "Results", "default_url", "parse_duration", "run"]
