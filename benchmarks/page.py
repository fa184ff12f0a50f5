"""The Usage page: how soon it begins to come in the local stack, and how much there is of it."""

import http.client
import re
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from benchmarks.figure import Figure
from local.settings import Settings
from local.stack import running

WARM_UP = 5
TIMES = 40

FIRST_BYTE_MS = 250
"""Of a page that reads an account, weeks of usage and a page of entries: people call a quarter of a second at once."""

LARGEST_KB = 60


def measure() -> list[Figure]:
    """The page of the seeded account with the longest history, as its first visitor gets it: with all its files."""
    with (
        TemporaryDirectory() as folder,
        running(Settings(port=0), folder=Path(folder), log=lambda *_: None) as stack,
    ):
        parts = urlsplit(stack.page_url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        target = f"{parts.path}?{parts.query}"
        timed = [_read(connection, target) for _ in range(WARM_UP + TIMES)][WARM_UP:]
        page = timed[0][1]
        files = [_read(connection, path)[1] for path in sorted(set(re.findall(rb"/usage/assets/[^\"]+", page)))]
        connection.close()
    size = len(page) + sum(map(len, files))
    seconds = [each for each, _ in timed]
    return [
        Figure(
            "the Usage page's first byte, ms",
            median(seconds) * 1_000,
            FIRST_BYTE_MS,
            f"the slowest of {TIMES}: {max(seconds) * 1_000:.0f} ms",
        ),
        Figure(
            "the Usage page with all its files, KB",
            size / 1_000,
            LARGEST_KB,
            f"{len(page) / 1_000:.1f} KB of page and {len(files)} files, not compressed",
        ),
    ]


def _read(connection: http.client.HTTPConnection, target: str | bytes) -> tuple[float, bytes]:
    """Seconds to the first byte, and the body."""
    began = time.perf_counter()
    connection.request("GET", target if isinstance(target, str) else target.decode())
    response = connection.getresponse()
    first_byte = time.perf_counter() - began
    body = response.read()
    if response.status != http.HTTPStatus.OK:
        raise RuntimeError(f"the page answered {response.status}")
    return first_byte, body
