"""The sensitivity table as a plot."""

from __future__ import annotations

from mixer_edge_export.quantize.sensitivity import Sensitivity
from mixer_edge_export.report.svg import document, shape

ROW, TOP, NAME, BAR, GAP = 16, 56, 300, 260, 90
"""Heights and widths in pixels: a row, the heading, the names, the longest bar, the space for its number."""


def plot(result: Sensitivity) -> str:
    """Return an SVG document: for each layer its noise alone, and the gain in dB from keeping it in float."""
    noise = [0.0 if layer.alone.snr_db is None else 10 ** (-layer.alone.snr_db / 10) for layer in result.layers]
    total = sum(noise) or 1.0
    shares = [100 * value / total for value in noise]
    gains = [
        0.0 if layer.kept.snr_db is None or result.int8.snr_db is None else layer.kept.snr_db - result.int8.snr_db
        for layer in result.layers
    ]
    parts = [
        _text(8, 20, f"{result.model}: what each layer loses in int8 ({result.image_count} pictures)", "bold"),
        _text(NAME, 44, "share of the noise, %", "bold"),
        _text(NAME + BAR + GAP, 44, "gained by keeping it in float, dB", "bold"),
    ]
    for row, layer in enumerate(result.layers):
        y = TOP + row * ROW
        parts.append(_text(8, y + 11, layer.name))
        parts.append(_bar(NAME, y, shares[row], max(shares), f"{shares[row]:.1f}", "#c44e52"))
        parts.append(_bar(NAME + BAR + GAP, y, gains[row], max(gains), f"{gains[row]:+.2f}", "#4c72b0"))
    width, height = NAME + 2 * (BAR + GAP), TOP + ROW * len(result.layers) + 8
    return document(width, height, parts, font_size=11)


def _text(x: float, y: float, text: str, weight: str = "normal") -> str:
    return shape("text", text, x=x, y=y, font_weight=weight)


def _bar(x: int, y: int, value: float, longest: float, text: str, colour: str) -> str:
    length = max(0.0, value) / longest * BAR if longest > 0 else 0.0
    return shape("rect", x=x, y=y + 2, width=length, height=ROW - 4, fill=colour) + _text(x + length + 4, y + 11, text)
