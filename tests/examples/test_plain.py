"""examples/plain.html: the very file, on a site of another origin than the service."""

from playwright.sync_api import Page, expect


def test_the_button_of_a_plain_page(site: str, page: Page) -> None:
    page.goto(f"{site}/plain.html")
    element = page.locator("like-button")
    button, count = element.get_by_role("button"), element.locator(".count")
    expect(count).to_have_text("0")
    with page.expect_response(lambda answer: answer.request.method == "PUT" and answer.status == 201):
        button.click()
    expect(count).to_have_text("1")
    page.reload()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(count).to_have_text("1")
