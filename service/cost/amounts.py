"""Write sizes and rates for people."""


def bytes_text(size: float) -> str:
    """Return a size in the decimal unit that leaves one to three digits before the point."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 999.5:
            return f"{size:,.3g} {unit}"
        size /= 1_000
    return f"{size:,.3g} TB"


def round_to_two_digits(value: int) -> int:
    """Return the value with its first two digits, rounded down."""
    unit = int(10 ** max(0, len(str(value)) - 2))
    return value // unit * unit
