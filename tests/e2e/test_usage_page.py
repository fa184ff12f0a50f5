"""The Usage page in a browser, as its links open it: where it may be seen, and where not."""

from local.seed import usage_page
from tests.e2e.launch import Launched
from tests.e2e.visitor import Visitor, violations


def test_a_link_opens_the_page_and_nothing_goes_wrong_behind_it(stack: Launched, visitor: Visitor) -> None:
    page = visitor.page(usage_page(stack.client, "pro"))

    assert page.get_by_role("heading", level=1).inner_text() == "Usage"
    assert violations(page) == []


def test_a_link_that_was_changed_is_told_kindly(stack: Launched, visitor: Visitor) -> None:
    page = visitor.page(usage_page(stack.client, "pro") + "x")

    assert page.get_by_role("heading", level=1).inner_text() == "This link is not valid"
    assert violations(page) == []


def test_no_other_site_can_embed_the_page(stack: Launched, visitor: Visitor) -> None:
    visitor.may_visit(stack.client.url)
    frame = f'<iframe src="{usage_page(stack.client, "pro")}" title="Usage"></iframe>'
    page = visitor.product(f"<!doctype html><title>Another site</title>{frame}")
    page.wait_for_load_state("networkidle")

    assert page.frame_locator("iframe").get_by_role("heading").count() == 0
    assert any("frame-ancestors" in complaint for complaint in visitor.complaints)
    visitor.complaints.clear()


def test_the_page_works_without_scripts(stack: Launched, visitor: Visitor) -> None:
    page = visitor.page(usage_page(stack.client, "pro"), scripts=False)

    page.get_by_role("link", name="30 days").click()

    assert page.locator("a[aria-current]", has_text="30 days").count() == 1
