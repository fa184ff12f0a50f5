"""A person with a browser. What goes wrong behind the page (a script that fails, a policy that is broken, a request to
another site) fails the test that visits it, whatever the page looks like."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from local.browser import Unavailable, chromium
from local.template import ROOT
from tests.e2e.site import product

SCREENSHOTS = ROOT / ".local" / "screenshots"
"""Kept to be looked at, and not committed."""

PATIENCE_MS = 15_000
"""How long a page may take to show what it is expected to: the machine that tests is a busy one."""

DESKTOP = (1280, 900)
PHONE = (320, 640)

# How Chromium says that an answer was no 2xx. Tests of refusals see them.
STATUS = "Failed to load resource: the server responded with a status of"


class Visitor:
    """Opens pages in a context of its own, each under the watch of this test."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._origins: set[str] = set()
        self._closing = ExitStack()
        self.complaints: list[str] = []

    def page(
        self,
        url: str,
        *,
        size: tuple[int, int] = DESKTOP,
        theme: Literal["light", "dark"] = "light",
        scripts: bool = True,
        locale: str = "en-US",
        time_zone: str = "UTC",
    ) -> Page:
        """The page at `url`, as somebody sees it with this screen, theme, language and clock."""
        context = self._browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=theme,
            java_script_enabled=scripts,
            locale=locale,
            timezone_id=time_zone,
            reduced_motion="reduce",
        )
        self._closing.callback(context.close)
        self._origins.add(_origin(url))
        context.on("console", self._heard)
        context.on("weberror", lambda error: self.complaints.append(f"error: {error.error}"))
        context.on("request", self._asked)
        page = context.new_page()
        page.goto(url)
        return page

    def product(self, html: str) -> Page:
        """The page of another site, which stays up for as long as somebody has it open: a browser still asks for its
        icon after the page has loaded."""
        return self.page(self._closing.enter_context(product(html)))

    def may_visit(self, *origins: str) -> None:
        """Sites that the pages of this test lead to."""
        self._origins |= set(origins)

    def close(self) -> None:
        """Leaves the pages, the last one first, and then takes down the sites they were of."""
        self._closing.close()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(STATUS):
            self.complaints.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(("data:", "blob:", "about:")) and _origin(request.url) not in self._origins:
            self.complaints.append(f"asked elsewhere: {request.url.partition('?')[0]}")


@contextmanager
def required_chromium() -> Iterator[Browser]:
    """A browser. Where there is none the test is skipped with the reason; under CI=true it fails."""
    expect.set_options(timeout=PATIENCE_MS)
    try:
        with chromium() as browser:
            yield browser
    except Unavailable as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI=true: {reason}")
        pytest.skip(str(reason))


def screenshot(page: Page, name: str, *, whole: bool = True) -> Path:
    """A picture of the page in SCREENSHOTS."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    file = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=file, full_page=whole)
    return file


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with the page for people who use it otherwise: the rule and each place."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html']} ({node['failureSummary']})" for each in found for node in each["nodes"]]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
