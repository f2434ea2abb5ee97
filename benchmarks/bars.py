"""A plot of horizontal bars as SVG."""

from __future__ import annotations

from collections.abc import Collection, Mapping

LEFT, TOP, HEIGHT, WIDTH = 290, 30, 22, 420


def bars(values: Mapping[str, float], title: str, marked: Collection[str], floor: float | None = None) -> str:
    """Return one bar per value, the least first, the marked ones blue; ``floor`` draws a line at that value."""
    names = sorted(values, key=values.__getitem__)
    scale, bottom = WIDTH / max(values.values()), TOP + HEIGHT * len(names)
    shapes = [f'<rect width="760" height="{bottom + 20}" fill="white"/>', f'<text x="{LEFT}" y="18">{title}</text>']
    for place, name in enumerate(names):
        y, width = TOP + HEIGHT * place, values[name] * scale
        fill = "#1f6fb4" if name in marked else "#999"
        shapes.append(f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{name}</text>')
        shapes.append(f'<rect x="{LEFT}" y="{y + 2}" width="{width:.1f}" height="{HEIGHT - 6}" fill="{fill}"/>')
        shapes.append(f'<text x="{LEFT + 4 + width:.1f}" y="{y + 14}">{values[name]:.4g}</text>')
    if floor is not None:
        x = LEFT + floor * scale
        shapes.append(f'<path d="M{x:.1f} {TOP - 4}V{bottom}" stroke="#c33" stroke-dasharray="4 3"/>')
        shapes.append(f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">floor</text>')
    box = f'viewBox="0 0 760 {bottom + 20}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="sans-serif" font-size="12">'
    return "\n".join([head, *shapes, "</svg>"]) + "\n"
