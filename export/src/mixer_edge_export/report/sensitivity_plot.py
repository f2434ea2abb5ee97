"""The sensitivity table as a picture: plain SVG, for two columns of bars need no plotting library."""

from __future__ import annotations

from xml.sax.saxutils import escape

from mixer_edge_export.quantize.sensitivity import Sensitivity

ROW, TOP, NAME, BAR, GAP = 16, 56, 300, 260, 90
"""Heights and widths in pixels: a row, the heading, the names, the longest bar, the space for its number."""


def plot(result: Sensitivity) -> str:
    """Return an SVG document: for each layer its noise alone, and what keeping it in float brings in dB."""
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
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _text(x: float, y: float, text: str, weight: str = "normal") -> str:
    return f'<text x="{x}" y="{y}" font-weight="{weight}">{escape(text)}</text>'


def _bar(x: int, y: int, value: float, longest: float, text: str, colour: str) -> str:
    length = max(0.0, value) / longest * BAR if longest > 0 else 0.0
    bar = f'<rect x="{x}" y="{y + 2}" width="{length:.1f}" height="{ROW - 4}" fill="{colour}"/>'
    return bar + _text(round(x + length + 4, 1), y + 11, text)
