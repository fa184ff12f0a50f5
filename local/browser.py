"""A Chromium that is on this machine, driven by Playwright: for tests that look at pages, and to picture one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

# By the names that systems give it. Playwright's own downloads are not asked for.
COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# It shows pages of this machine alone, to nobody, maybe as root of a container with a small /dev/shm.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
)


class Unavailable(Exception):
    """There is no Chromium; the message says how to get one."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window. Raises Unavailable."""
    command = next(filter(None, map(shutil.which, COMMANDS)), None)
    if command is None:
        raise Unavailable("There is no Chromium. On Debian and Ubuntu: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=command, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()
