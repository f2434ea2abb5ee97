"""The parts of every plot, 360 units wide: lines, texts, marks, and the drawing around them."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from mixer_edge_export.report.svg import shape

WIDTH = 360
LEFT, RIGHT, TOP, BOTTOM = 50, 14, 14, 44
"""Space around the axes."""

Tick = tuple[float, str]
"""Where it is, and its label."""


def frame(height: float, *, x_ticks: Sequence[Tick], y_ticks: Sequence[Tick], x_title: str) -> list[str]:
    """Return the axes of a plot, with a line of the grid at each tick of y."""
    parts = []
    for y, label in y_ticks:
        parts.append(line("grid", LEFT, y, WIDTH - RIGHT, y))
        parts.append(text(LEFT - 6, y + 4, label, "tick end"))
    floor = height - BOTTOM
    parts.append(line("axis", LEFT, floor, WIDTH - RIGHT, floor))
    for x, label in x_ticks:
        parts.append(line("axis", x, floor, x, floor + 4))
        parts.append(text(x, floor + 17, label, "tick middle"))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, height - 6, x_title, "title middle"))
    return parts


def marker(x: float, y: float, number: int, chosen: bool) -> str:
    """Return the shape with this number: circle, square, diamond, triangle, ..., repeating; filled if chosen."""
    paths = (
        f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z",
        f"M{x:.1f} {y - 6:.1f}l6 11h-12z",
        f"M{x:.1f} {y + 6:.1f}l6 -11h-12z",
        f"M{x - 2:.1f} {y - 6:.1f}h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
        f"M{x - 6:.1f} {y:.1f}l3 -5.2h6l3 5.2l-3 5.2h-6z",
    )
    classes, number = "marker chosen" if chosen else "marker", number % (len(paths) + 2)
    if number == 0:
        return shape("circle", cx=float(x), cy=float(y), r=5, class_=classes)
    if number == 1:
        return shape("rect", x=x - 4.5, y=y - 4.5, width=9, height=9, class_=classes)
    return shape("path", d=paths[number - 2], class_=classes)


def line(classes: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """Return a line from (x1, y1) to (x2, y2)."""
    return shape("line", class_=classes, x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2))


def text(x: float, y: float, content: str, classes: str) -> str:
    """Return a text at (x, y)."""
    return shape("text", content, x=float(x), y=float(y), class_=classes)


def drawing(height: float, title: str, parts: Sequence[str], description: str = "") -> Markup:
    """Return the plot; a screen reader says its title, then its description."""
    body = "".join([shape("desc", description) if description else "", *parts])
    return Markup(f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">{body}</svg>')
