"""The report's plots, 360 units wide so that text has the right size on a phone.

Colours come from the page's style sheet, by class; shapes and labels give the same information.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mixer_edge_export.report import marks
from mixer_edge_export.report.marks import BOTTOM, LEFT, RIGHT, TOP, WIDTH
from mixer_edge_export.report.svg import shape

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

    parts = marks.frame(
        height,
        x_ticks=[(across(tick), f"{tick:g}") for tick in x_ticks],
        y_ticks=[(down(tick), y_format(tick)) for tick in y_ticks],
        x_title=x_title,
    )
    for point in points:
        x = across(point.x)
        parts.append(marks.line("whisker", x, down(point.low), x, down(point.high)))
    parts += [
        marks.marker(across(point.x), down(point.y), point.shape, point.chosen)
        for point in sorted(points, key=lambda p: p.chosen)
    ]
    parts += _names([(across(point.x), down(point.y), point) for point in points], height - BOTTOM)
    return marks.drawing(height, title, parts)


def intervals(rows: Sequence[Interval], *, title: str, x_title: str, line: float, bound: float | None) -> Markup:
    """Return a plot with one interval per row; there is a vertical line at ``line`` and a dashed one at ``bound``."""
    step, top = 48, 4
    height = top + step * len(rows) + 44
    verticals = [line, *([] if bound is None else [bound])]
    low = min(min(row.low for row in rows), *verticals, line)
    high = max(max(row.high for row in rows), *verticals, line)
    pad = (high - low) * 0.06 or 1.0
    low, high = low - pad, high + pad

    def across(x: float) -> float:
        return 12 + (x - low) / (high - low) * (WIDTH - 24)

    floor, parts = top + step * len(rows), []
    for tick in (marked := ticks(low, high)):
        parts.append(marks.text(across(tick), floor + 16, f"{tick:+g}" if tick else "0", "tick middle"))
    for number, row in enumerate(rows):
        y = top + step * number
        parts.append(marks.text(12, y + 14, row.name, "name chosen" if row.chosen else "name"))
        parts.append(marks.text(WIDTH - 12, y + 14, row.text, "tick end"))
        lines = [("grid", tick) for tick in marked] + [("axis", line)] + [("bound", mark) for mark in verticals[1:]]
        parts += [marks.line(kind, across(x), y + 20, across(x), y + step - 2) for kind, x in lines]
        y += 32
        parts += [marks.line("whisker", across(x), y - 5, across(x), y + 5) for x in (row.low, row.high)]
        parts.append(marks.line("whisker", across(row.low), y, across(row.high), y))
        parts.append(marks.marker(across(row.value), y, row.shape, row.chosen))
    parts.append(marks.text(WIDTH / 2, height - 6, x_title, "title middle"))
    return marks.drawing(height, title, parts)


def bars(rows: Sequence[tuple[str, float]], *, title: str, x_title: str) -> Markup:
    """Return horizontal bars, each with its name above and its value at the end."""
    step = 32
    height = step * len(rows) + 28
    longest = max(value for _, value in rows) or 1.0
    parts = []
    for number, (name, value) in enumerate(rows):
        y = step * number
        parts.append(marks.text(0, y + 12, name, "name"))
        parts.append(marks.text(WIDTH, y + 12, f"{value:.3g}", "tick end"))
        parts.append(
            shape("rect", class_="bar", x=0, y=y + 17, width=max(1.0, value / longest * WIDTH), height=7, rx=1)
        )
    parts.append(marks.text(WIDTH / 2, height - 6, x_title, "title middle"))
    return marks.drawing(height, title, parts)


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
        parts.append(marks.text(x - 9 if end else x + 9, min(line, floor - 3), point.name, _name_class(point, end)))
    return parts


def _name_class(point: Point, end: bool) -> str:
    return " ".join(["name halo", *["chosen"] * point.chosen, *["end"] * end])
