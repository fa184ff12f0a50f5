"""The Usage page: what people see, worked out as plain values that templates only lay out."""

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
"""Where `templates` and `static` are: what several functions show is in the layer that they share."""
