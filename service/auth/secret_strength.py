"""Secrets that nobody may use: missing, short, or copied from an example that everybody can read."""

import re

MIN_SECRET_CHARS = 32
MIN_DISTINCT_CHARS = 10  # a random secret of 32 characters has more, also in hexadecimal

# Words and runs that a random secret in base64 holds less than once in a million times.
_SAMPLE = re.compile(
    r"change[-_ ]?(?:me|this)|replace[-_ ]?(?:me|this)|example|sample|your[-_ ]?(?:secret|key)|password|passw0rd"
    r"|placeholder|insecure|not[-_ ]?(?:a[-_ ]?)?secret|(?<![a-z0-9])x{4,}(?![a-z0-9])|(.)\1{6}",
    re.IGNORECASE,
)


def weakness(secret: str) -> str | None:
    """Why a secret can't be used, as the end of a sentence that its name begins; None where it can."""
    if not secret:
        return "is missing"
    if len(secret) < MIN_SECRET_CHARS:
        return f"has {len(secret)} characters; give {MIN_SECRET_CHARS} or more random ones"
    if sample := _SAMPLE.search(secret):
        return f"looks like a sample, it holds {sample[0]!r}; give {MIN_SECRET_CHARS} or more random characters"
    if (distinct := len(set(secret))) < MIN_DISTINCT_CHARS:
        return f"has only {distinct} different characters; give {MIN_SECRET_CHARS} or more random ones"
    return None
