"""`likewise drill`: many likes when they are due, and whether every one of them was counted once and kept."""

from service.drill.conduct import run
from service.drill.plan import DEFAULT_URL, DrillUsageError, Options, parse_duration
from service.drill.results import Results

__all__ = ["DEFAULT_URL", "DrillUsageError", "Options", "Results", "parse_duration", "run"]
