"""examples/plain.html as it is, on another origin than the service."""

import pytest
from playwright.sync_api import Page

from tests.examples.conftest import check_like_is_remembered

pytestmark = pytest.mark.requires("chromium")


def test_the_button_of_a_plain_page(site: str, page: Page) -> None:
    page.goto(f"{site}/plain.html")
    check_like_is_remembered(page)
