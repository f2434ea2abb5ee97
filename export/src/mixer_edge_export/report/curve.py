"""The plot of a curve: a share that changes with a number, with its spread as a band."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mixer_edge_export.report import marks
from mixer_edge_export.report.charts import ticks
from mixer_edge_export.report.marks import BOTTOM, LEFT, RIGHT, TOP, WIDTH
from mixer_edge_export.report.svg import shape

HEIGHT = 240
CEILING = TOP + 20
"""Upper end of the y axis; there is space for a text above it."""
SPAN = 5
"""Smallest range of the y axis, in points: a curve that does not change is not shown as noise."""
TICK = 30
"""Smallest distance between two ticks of x, so that their labels do not touch."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A point of the curve, with the spread of y."""

    x: float
    y: float
    low: float
    high: float


def curve(
    places: Sequence[Place],
    *,
    title: str,
    description: str,
    x_title: str,
    x_ticks: Sequence[float],
    scale: Callable[[float], float],
    mark: Place,
) -> Markup:
    """Return a plot of percentages over x.

    Args:
        places: the points, x rising.
        title: what it shows.
        description: the same in words, for a screen reader.
        x_title: title of the x axis.
        x_ticks: values to mark on it; of those that are too close, the larger one is shown.
        scale: rises with x; equal distances on the axis are equal differences of it.
        mark: the point that has a mark, and its y as text.
    """
    start, end = (scale(choose(place.x for place in places)) for choose in (min, max))
    highest = max(place.high for place in places)
    y_ticks = ticks(max(0.0, min(*(place.low for place in places), highest - SPAN)), highest)
    first, last = (
        choose(*y_ticks, *(place.low for place in places), *(p.high for p in places)) for choose in (min, max)
    )

    def across(x: float) -> float:
        return LEFT + (scale(x) - start) / ((end - start) or 1) * (WIDTH - LEFT - RIGHT)

    def down(y: float) -> float:
        return HEIGHT - BOTTOM - (y - first) / ((last - first) or 1) * (HEIGHT - CEILING - BOTTOM)

    shown: list[float] = []
    for tick in sorted(x_ticks, reverse=True):
        if not shown or across(shown[-1]) - across(tick) >= TICK:
            shown.append(tick)
    band = [(place.x, place.high) for place in places] + [(place.x, place.low) for place in reversed(places)]
    parts = [
        *marks.frame(
            HEIGHT,
            x_ticks=[(across(tick), f"{tick:.0f}") for tick in shown],
            y_ticks=[(down(tick), f"{tick:g} %") for tick in ticks(first, last)],
            x_title=x_title,
        ),
        shape("polygon", class_="band", points=" ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in band)),
        shape(
            "polyline",
            class_="curve",
            points=" ".join(f"{across(place.x):.1f},{down(place.y):.1f}" for place in places),
        ),
        marks.marker(across(mark.x), down(mark.y), 0, True),
    ]
    # the curve rises to the right: in the left half there is space below it, in the right half above
    if across(mark.x) < WIDTH / 2:
        parts.append(marks.text(across(mark.x) + 9, down(mark.y) + 18, f"{mark.y:.1f} %", "name halo chosen"))
    else:
        parts.append(marks.text(across(mark.x) + 5, down(mark.y) - 11, f"{mark.y:.1f} %", "name halo chosen end"))
    return marks.drawing(HEIGHT, title, parts, description)
