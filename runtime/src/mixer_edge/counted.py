"""Numbers of pictures in words."""

from __future__ import annotations


def picture_count(count: int, kind: str = "") -> str:
    """Return ``1 picture`` or ``2 pictures``; ``kind`` is what stands before the noun, with a space at its end."""
    return f"1 {kind}picture" if count == 1 else f"{count} {kind}pictures"
