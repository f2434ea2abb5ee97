"""The report's plots, 360 units wide so that text has the right size on a phone.

Colours come from the page's style sheet, by class; shapes and labels give the same information.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from mixer_edge_export.report.svg import shape

WIDTH = 360
LEFT, RIGHT, TOP, BOTTOM = 50, 14, 14, 44
LINE = 14
"""Height of a line of text."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A variant at (x, y) with the interval of y; ``chosen`` is the recommended one."""

    name: str
    shape: int
    x: float
    y: float
    low: float
    high: float
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class Interval:
    """One row of an interval plot, in the plot's unit, and the text at its right."""

    name: str
    shape: int
    value: float
    low: float
    high: float
    text: str
    chosen: bool


def scatter(points: Sequence[Point], *, title: str, x_title: str, y_format: Callable[[float], str]) -> Markup:
    """Return a plot of points with vertical intervals; x starts at 0, and each point has its name next to it."""
    height = 280
    x_ticks = ticks(0, max(point.x for point in points) * 1.08)
    low, high = min(point.low for point in points), max(point.high for point in points)
    y_ticks = ticks(low - (high - low) * 0.05, high + (high - low) * 0.05)
    x_end = max(x_ticks[-1], max(point.x for point in points) * 1.08)

    pad = (high - low) * 0.06
    first, last = min(y_ticks[0], low) - pad, max(y_ticks[-1], high) + pad

    def across(x: float) -> float:
        return LEFT + x / x_end * (WIDTH - LEFT - RIGHT)

    def down(y: float) -> float:
        return height - BOTTOM - (y - first) / ((last - first) or 1) * (height - TOP - BOTTOM)

    parts = []
    for tick in y_ticks:
        y = down(tick)
        parts.append(_line("grid", LEFT, y, WIDTH - RIGHT, y))
        parts.append(_text(LEFT - 6, y + 4, y_format(tick), "tick end"))
    floor = height - BOTTOM
    parts.append(_line("axis", LEFT, floor, WIDTH - RIGHT, floor))
    for tick in x_ticks:
        parts.append(_line("axis", across(tick), floor, across(tick), floor + 4))
        parts.append(_text(across(tick), floor + 17, f"{tick:g}", "tick middle"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, height - 6, x_title, "title middle"))
    for point in points:
        x = across(point.x)
        parts.append(_line("whisker", x, down(point.low), x, down(point.high)))
    parts += [
        _marker(across(point.x), down(point.y), point.shape, point.chosen)
        for point in sorted(points, key=lambda p: p.chosen)
    ]
    parts += _names([(across(point.x), down(point.y), point) for point in points], floor)
    return _svg(height, title, parts)


def intervals(rows: Sequence[Interval], *, title: str, x_title: str, line: float, bound: float | None) -> Markup:
    """Return a plot with one interval per row; there is a vertical line at ``line`` and a dashed one at ``bound``."""
    step, top = 48, 4
    height = top + step * len(rows) + 44
    marks = [line, *([] if bound is None else [bound])]
    low = min(min(row.low for row in rows), *marks, line)
    high = max(max(row.high for row in rows), *marks, line)
    pad = (high - low) * 0.06 or 1.0
    low, high = low - pad, high + pad

    def across(x: float) -> float:
        return 12 + (x - low) / (high - low) * (WIDTH - 24)

    floor, parts = top + step * len(rows), []
    for tick in (marked := ticks(low, high)):
        parts.append(_text(across(tick), floor + 16, f"{tick:+g}" if tick else "0", "tick middle"))
    for number, row in enumerate(rows):
        y = top + step * number
        parts.append(_text(12, y + 14, row.name, "name chosen" if row.chosen else "name"))
        parts.append(_text(WIDTH - 12, y + 14, row.text, "tick end"))
        lines = [("grid", tick) for tick in marked] + [("axis", line)] + [("bound", mark) for mark in marks[1:]]
        parts += [_line(kind, across(x), y + 20, across(x), y + step - 2) for kind, x in lines]
        y += 32
        parts += [_line("whisker", across(x), y - 5, across(x), y + 5) for x in (row.low, row.high)]
        parts.append(_line("whisker", across(row.low), y, across(row.high), y))
        parts.append(_marker(across(row.value), y, row.shape, row.chosen))
    parts.append(_text(WIDTH / 2, height - 6, x_title, "title middle"))
    return _svg(height, title, parts)


def bars(rows: Sequence[tuple[str, float]], *, title: str, x_title: str) -> Markup:
    """Return horizontal bars, each with its name above and its value at the end."""
    step = 32
    height = step * len(rows) + 28
    longest = max(value for _, value in rows) or 1.0
    parts = []
    for number, (name, value) in enumerate(rows):
        y = step * number
        parts.append(_text(0, y + 12, name, "name"))
        parts.append(_text(WIDTH, y + 12, f"{value:.3g}", "tick end"))
        parts.append(
            shape("rect", class_="bar", x=0, y=y + 17, width=max(1.0, value / longest * WIDTH), height=7, rx=1)
        )
    parts.append(_text(WIDTH / 2, height - 6, x_title, "title middle"))
    return _svg(height, title, parts)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about ``count`` round numbers from ``low`` to ``high``, at steps of 1, 2 or 5 times a power of ten.

    It is only ``low`` if both ends are equal in six digits, the precision of a label.
    """
    span = high - low
    if span <= 1e-6 * max(abs(low), abs(high)):
        return [low]
    exponent = math.floor(math.log10(span / count))
    step = 10.0**exponent * next(factor for factor in (1, 2, 5, 10) if span / (factor * 10.0**exponent) <= count)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, -exponent) for number in range(first, last + 1)]


def _names(places: Sequence[tuple[float, float, Point]], floor: float) -> list[str]:
    """Return the names next to their points; a name that would overlap another name or a mark moves down."""
    parts: list[str] = []
    taken = [(x - 6, x + 6, y + 4) for x, y, _ in places]
    for x, y, point in sorted(places, key=lambda place: place[1]):
        width = 7 * len(point.name)
        end = x + 9 + width > WIDTH
        start = x - 9 - width if end else x + 9
        line = y + 4
        while any(abs(line - other) < LINE and start < right and left < start + width for left, right, other in taken):
            line += 2
        taken.append((start, start + width, min(line, floor - 3)))
        parts.append(_text(x - 9 if end else x + 9, min(line, floor - 3), point.name, _name_class(point, end)))
    return parts


def _name_class(point: Point, end: bool) -> str:
    return " ".join(["name halo", *["chosen"] * point.chosen, *["end"] * end])


def _marker(x: float, y: float, number: int, chosen: bool) -> str:
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


def _line(classes: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return shape("line", class_=classes, x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2))


def _text(x: float, y: float, text: str, classes: str) -> str:
    return shape("text", text, x=float(x), y=float(y), class_=classes)


def _svg(height: float, title: str, parts: Sequence[str]) -> Markup:
    body = "".join(parts)
    return Markup(f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">{body}</svg>')
