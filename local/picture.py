"""`make picture`: starts a stack and takes docs/usage-page.png, the picture of the README.

It shows the host shell with the Usage page in its settings, where people find it.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from local.browser import Unavailable, chromium
from local.seed import SHOWN
from local.settings import Settings
from local.stack import running
from local.template import ROOT

PICTURE = ROOT / "docs" / "usage-page.png"
WIDTH, HEIGHT = 1280, 1560

LARGEST_BYTES = 300_000
"""A README is read over any line."""


def main() -> int:
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            running(Settings(port=0), folder=Path(folder), log=lambda *_: None) as stack,
            chromium() as browser,
        ):
            picture = taken(browser, f"{stack.url}/?account={SHOWN}#settings/usage")
    except Unavailable as reason:
        print(reason, file=sys.stderr)
        return 1
    if len(picture) > LARGEST_BYTES:
        print(f"The picture has {len(picture):,} bytes; at most {LARGEST_BYTES:,} are kept.", file=sys.stderr)
        return 1
    PICTURE.write_bytes(picture)
    print(f"{PICTURE.relative_to(ROOT)}  {len(picture):,} bytes")
    return 0


def taken(browser: Browser, url: str) -> bytes:
    """The Usage page in its place, as a PNG."""
    page = browser.new_page(
        viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", locale="en-US", reduced_motion="reduce"
    )
    page.goto(url)
    usage = page.frame_locator("iframe")
    usage.get_by_role("link", name="30 days").click()
    usage.locator("a[aria-current]", has_text="30 days").wait_for()
    usage.locator("html").evaluate("() => scrollTo(0, 0)")
    # What has the focus or the pointer is marked, which says nothing in a picture.
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(0, 0)
    return page.screenshot()


if __name__ == "__main__":
    sys.exit(main())
