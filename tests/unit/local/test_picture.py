"""The picture of the README: it is there, and small."""

from local.picture import PICTURE
from local.template import ROOT


def test_the_readme_shows_a_png_of_300_kb_at_most() -> None:
    picture = PICTURE.read_bytes()

    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(picture) <= 300_000
    assert "(docs/usage-page.png)" in (ROOT / "README.md").read_text(encoding="utf-8")
