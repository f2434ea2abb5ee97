"""SVG written by hand: a few bars and points need no plotting library."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr


def shape(name: str, content: str | None = None, **attributes: str | float) -> str:
    """Return an element such as ``<text x="1.0" class="name">...</text>``; ``content`` is its text.

    ``class_="name"`` becomes ``class="name"``, ``text_anchor="end"`` becomes ``text-anchor="end"``. Floats have one
    decimal place.
    """
    start = name + "".join(
        f" {key.rstrip('_').replace('_', '-')}={quoteattr(f'{value:.1f}' if isinstance(value, float) else str(value))}"
        for key, value in attributes.items()
    )
    return f"<{start}/>" if content is None else f"<{start}>{escape(content)}</{name}>"


def document(width: int, height: int, shapes: Iterable[str], *, font_size: int = 12) -> str:
    """Return a file of its own: the shapes on white, in a sans-serif font."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
            f'font-size="{font_size}">',
            shape("rect", width=width, height=height, fill="white"),
            *shapes,
            "</svg>\n",
        ]
    )
