"""Run a load test (`likewise drill`) and check that every like was counted once and stored."""

from service.loadtest.generator.plan import DrillUsageError, Options, parse_duration
from service.loadtest.report.results import Results
from service.loadtest.runner import run
from service.loadtest.usage.local_processes import default_url

__all__ = ["DrillUsageError", "Options", "Results", "default_url", "parse_duration", "run"]
