"""Unsafe secrets are refused, and random ones are not."""

import re
import secrets
from pathlib import Path

import pytest

from service.auth.secret_strength import check_secret

GOOD = "kP3vX9mQ2wL7rT5yZ8bN4cF6hJ1sD0gAeUiOaMnB"


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("", "is missing"),
        ("x", "has 1 characters; give 32 or more random ones"),
        (GOOD[:31], "has 31 characters"),
        ("abc" * 20, "has only 3 different characters"),
        ("0123456789" + "0" * 30, "'0000000'"),
        ("change-me-0123456789-abcdefghijklmnop", "'change-me'"),
        ("0123456789-abcdefghijklmnop-CHANGEME!", "'CHANGEME'"),
        ("an Example secret of 32 characters or more", "'Example'"),
        ("your-secret-goes-here-0123456789-abcd", "'your-secret'"),
        ("my-super-password-0123456789-abcdefgh", "'password'"),
        ("this-is-insecure-0123456789-abcdefghi", "'insecure'"),
        ("placeholder-0123456789-abcdefghijklmn", "'placeholder'"),
        ("a-sample-of-it-0123456789-abcdefghijk", "'sample'"),
        ("0123456789-xxxx-abcdefghijklmnopqrstu", "'xxxx'"),
    ],
)
def test_short_and_copied_secrets_are_refused(secret, why):
    assert why in (check_secret(secret) or "")


def test_random_secrets_are_accepted():
    weak = [(made, why) for made in (secrets.token_urlsafe(36) for _ in range(5_000)) if (why := check_secret(made))]
    assert weak == []
    assert [check_secret(secrets.token_hex(32)) for _ in range(500)] == [None] * 500
    assert check_secret(GOOD) is None
    assert check_secret(GOOD[:32]) is None


def test_every_secret_in_the_readme_is_refused():
    shown = re.findall(r"_SECRET=\"?([^\s\"$]+)", (Path(__file__).parents[3] / "README.md").read_text())
    assert [secret for secret in shown if check_secret(secret) is None] == []
