"""Refuse unsafe secrets: missing, short, or copied from an example that everybody can read."""

import re

MIN_SECRET_CHARS = 32
# A random secret of 32 characters has more distinct ones, even in hexadecimal.
MIN_DISTINCT_CHARS = 10

# Words and runs that occur in less than one of a million random secrets in base64.
_SAMPLE = re.compile(
    r"change[-_ ]?(?:me|this)|replace[-_ ]?(?:me|this)|example|sample|your[-_ ]?(?:secret|key)|password|passw0rd"
    r"|placeholder|insecure|not[-_ ]?(?:a[-_ ]?)?secret|(?<![a-z0-9])x{4,}(?![a-z0-9])|(.)\1{6}",
    re.IGNORECASE,
)


def check_secret(secret: str) -> str | None:
    """Return None for a safe secret, else the reason, which completes a sentence that begins with the secret's name."""
    if not secret:
        return "is missing"
    if len(secret) < MIN_SECRET_CHARS:
        return f"has {len(secret)} characters; give {MIN_SECRET_CHARS} or more random ones"
    if sample := _SAMPLE.search(secret):
        return f"looks like a sample, it holds {sample[0]!r}; give {MIN_SECRET_CHARS} or more random characters"
    if (distinct := len(set(secret))) < MIN_DISTINCT_CHARS:
        return f"has only {distinct} different characters; give {MIN_SECRET_CHARS} or more random ones"
    return None
