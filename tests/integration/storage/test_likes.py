"""Likes on the embedded servers."""

from tests.support.suites.likes_suite import *  # noqa: F403
