"""The plot of a share over time: a mark for each moment, and the mean of each group as a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from markupsafe import Markup

from mixer_edge_export.report import marks
from mixer_edge_export.report.charts import ticks
from mixer_edge_export.report.marks import BOTTOM, LEFT, RIGHT, TOP, WIDTH
from mixer_edge_export.report.svg import shape

HEIGHT = 240
MOST = 600
"""Largest number of marks of a group: more would only lie on each other."""
SPAN = 10
"""Smallest range of the y axis, in points: what hardly changes is not shown as noise."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """The moments of one group, the oldest first."""

    name: str
    style: str
    """Class of its marks in the style sheet."""
    points: tuple[tuple[datetime, float], ...]
    """Time, and the share in percent."""
    has_mean: bool

    @property
    def mean(self) -> float:
        """Its mean share, in percent."""
        return sum(share for _, share in self.points) / len(self.points)


def timeline(groups: Sequence[Series], *, title: str, x_title: str) -> Markup:
    """Return a plot of percentages over time; groups without points are left out."""
    groups = [group for group in groups if group.points]
    times = [time for group in groups for time, _ in group.points]
    first, last = min(times), max(times)
    y_ticks = ticks(min(100 - SPAN, *(share for group in groups for _, share in group.points)), 100)
    low = min(y_ticks[0], *(share for group in groups for _, share in group.points))

    def across(time: datetime) -> float:
        return LEFT + (time - first) / ((last - first) or timedelta(1)) * (WIDTH - LEFT - RIGHT)

    def down(share: float) -> float:
        return HEIGHT - BOTTOM - (share - low) / (100 - low) * (HEIGHT - TOP - BOTTOM)

    parts = marks.frame(
        HEIGHT,
        x_ticks=[(across(time), _label(time, last - first)) for time in _times(first, last)],
        y_ticks=[(down(tick), f"{tick:g} %") for tick in y_ticks],
        x_title=x_title,
    )
    for group in groups:
        step = -(-len(group.points) // MOST)
        for time, share in group.points[::step]:
            parts.append(shape("circle", class_=group.style, cx=across(time), cy=down(share), r=2.5))
    for group in groups:
        if group.has_mean:
            y, start, end = down(group.mean), across(group.points[0][0]), across(group.points[-1][0])
            parts.append(marks.line("mean", start, y, max(end, start + 4), y))
    said = [f"{group.name}: {len(group.points)}, mean {group.mean:.1f} %" for group in groups]
    return marks.drawing(HEIGHT, title, parts, f"{'; '.join(said)}.")


def _times(first: datetime, last: datetime, count: int = 4) -> list[datetime]:
    if last - first < timedelta(minutes=count):
        return [first]
    return [first + (last - first) * (number + 0.5) / count for number in range(count)]  # labels end within the plot


def _label(time: datetime, span: timedelta) -> str:
    return time.astimezone(timezone.utc).strftime("%m-%d" if span > timedelta(days=2) else "%H:%M")
