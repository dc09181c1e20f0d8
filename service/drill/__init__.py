"""`likewise drill`: many likes at a steady rate, and whether every one of them was counted once and kept."""

from service.drill.conduct import run
from service.drill.plan import DEFAULT_URL, DrillUsageError, Options, parse_duration
from service.drill.verdict import Verdict

__all__ = ["DEFAULT_URL", "DrillUsageError", "Options", "Verdict", "parse_duration", "run"]
