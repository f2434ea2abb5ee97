"""A plot of horizontal bars as SVG."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mixer_edge_export.report.svg import document, shape

LEFT, TOP, HEIGHT, WIDTH = 290, 30, 22, 420


def bars(values: Mapping[str, float], title: str, marked: Collection[str], floor: float | None = None) -> str:
    """Return one bar per value, the smallest first, the marked ones blue; ``floor`` draws a line at that value."""
    names = sorted(values, key=values.__getitem__)
    scale, bottom = WIDTH / max(values.values()), TOP + HEIGHT * len(names)
    shapes = [shape("text", title, x=LEFT, y=18)]
    for place, name in enumerate(names):
        y, width = TOP + HEIGHT * place, values[name] * scale
        fill = "#1f6fb4" if name in marked else "#999"
        shapes.append(shape("text", name, x=LEFT - 8, y=y + 14, text_anchor="end"))
        shapes.append(shape("rect", x=LEFT, y=y + 2, width=width, height=HEIGHT - 6, fill=fill))
        shapes.append(shape("text", f"{values[name]:.4g}", x=LEFT + 4 + width, y=y + 14))
    if floor is not None:
        x = LEFT + floor * scale
        shapes.append(shape("path", d=f"M{x:.1f} {TOP - 4}V{bottom}", stroke="#c33", stroke_dasharray="4 3"))
        shapes.append(shape("text", "floor", x=x, y=bottom + 14, text_anchor="middle"))
    return document(760, bottom + 20, shapes)
