"""Pictures in the page itself, so that it needs no other file."""

from __future__ import annotations

import base64
from pathlib import Path

from mixer_edge.decode import thumbnail

THUMBNAIL = 128
"""Largest width and height, in pixels."""


def data_address(picture: Path) -> str:
    """Return a thumbnail of a picture as a ``data:`` address.

    Raises:
        ImageError: the picture cannot be read.
    """
    return f"data:image/jpeg;base64,{base64.b64encode(thumbnail(picture, THUMBNAIL)).decode()}"
