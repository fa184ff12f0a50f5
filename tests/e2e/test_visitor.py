"""The visitor of the other tests here hears of what goes wrong behind a page, and of nothing else."""

from playwright.sync_api import Browser

from tests.e2e.visitor import Visitor


def test_who_leaves_another_site_at_once_hears_of_nothing(browser: Browser) -> None:
    for _ in range(10):
        visitor = Visitor(browser)
        visitor.product("<!doctype html><title>A product</title>")
        visitor.close()

        assert visitor.complaints == []


def test_a_request_that_fails_behind_a_page_is_heard_of(browser: Browser) -> None:
    visitor = Visitor(browser)
    page = visitor.product('<!doctype html><title>A product</title><img alt="" src="http://127.0.0.1:1/nobody">')
    page.wait_for_load_state("networkidle")
    visitor.close()

    assert visitor.complaints == [
        "asked elsewhere: http://127.0.0.1:1/nobody",
        "console: Failed to load resource: net::ERR_UNSAFE_PORT",
    ]
