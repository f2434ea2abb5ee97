"""The contrast of two colours, by WCAG 2."""

from __future__ import annotations


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours ``#rrggbb`` by WCAG 2: (lighter + 0.05) / (darker + 0.05)."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of ``#rrggbb`` in [0, 1], by WCAG 2."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
