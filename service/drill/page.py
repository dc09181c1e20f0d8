"""A run as one HTML page."""

from service.drill.results import Results


def page(found: Results) -> str:
    """The page."""
    return f"One number: {found.acknowledged:,} {found.verdict.reasons}"
