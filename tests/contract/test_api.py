"""The API on fake stores."""

import pytest
from flask import Flask

from tests.support.app_factory import fake_api
from tests.support.suites.api_suite import *  # noqa: F403


@pytest.fixture
def app() -> Flask:
    """Return the app under test."""
    return fake_api().app
