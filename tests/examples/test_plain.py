"""examples/plain.html as it is, on another origin than the service."""

import pytest
from playwright.sync_api import Page

from tests.examples.conftest import the_element_likes_and_remembers

pytestmark = pytest.mark.requires("chromium")


def test_the_button_of_a_plain_page(site: str, page: Page) -> None:
    page.goto(f"{site}/plain.html")
    the_element_likes_and_remembers(page)
