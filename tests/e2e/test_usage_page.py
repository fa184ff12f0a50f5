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
