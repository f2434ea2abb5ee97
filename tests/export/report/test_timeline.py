"""The plot of a share over time: positions computed by hand."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from tests.export.report.html_tree import Element, read_html

from mixer_edge_export.report.timeline import MOST, Series, timeline

START = datetime(2026, 5, 4, 12, tzinfo=timezone.utc)


def series(name: str, *points: tuple[float, float], has_mean: bool = True) -> Series:
    """Return a group of points at so many hours after the start."""
    return Series(
        name=name,
        style=name,
        points=tuple((START + timedelta(hours=hours), share) for hours, share in points),
        has_mean=has_mean,
    )


def drawn(*groups: Series) -> Element:
    """Return the plot."""
    return read_html(timeline(groups, title="A & b", x_title="time")).one("svg")


def test_marks_and_means() -> None:
    """360 wide with 50 and 14 left free, 240 high with 14 and 44; the axis is from 50 to 100 %."""
    svg = drawn(series("then", (0, 100.0), (10, 50.0)), series("now", (20, 80.0)), series("none"))
    assert [(it.attributes["class"], it.attributes["cx"], it.attributes["cy"]) for it in svg.all("circle")] == [
        ("then", "50.0", "14.0"),
        ("then", "198.0", "196.0"),
        ("now", "346.0", "86.8"),
    ]
    means = [[it.attributes[end] for end in ("x1", "y1", "x2", "y2")] for it in svg.all("line", class_="mean")]
    assert means == [["50.0", "105.0", "198.0", "105.0"], ["346.0", "86.8", "350.0", "86.8"]]
    assert svg.one("desc").text == "then: 2, mean 75.0 %; now: 1, mean 80.0 %."


@pytest.mark.parametrize(
    ("hours", "labels"),
    [(4, ["12:30", "13:30", "14:30", "15:30"]), (72, ["05-04", "05-05", "05-06", "05-07"]), (0, ["12:00"])],
)
def test_times_on_the_axis(hours: float, labels: list[str]) -> None:
    """Days if it is more than two, and one label if there is only one moment."""
    svg = drawn(series("then", (0, 100.0), (hours, 99.0)))
    assert [it.text for it in svg.all("text", class_="tick middle")] == labels


def test_what_hardly_changes_is_not_noise() -> None:
    """The axis shows at least ten points."""
    svg = drawn(series("then", (0, 99.0), (1, 100.0)))
    assert [it.text for it in svg.all("text", class_="tick end")] == ["90 %", "92 %", "94 %", "96 %", "98 %", "100 %"]


def test_many_marks_are_thinned() -> None:
    """The mean is that of all of them."""
    svg = drawn(series("then", *((hour, 90.0 + hour % 2) for hour in range(2 * MOST))))
    assert len(svg.all("circle")) == MOST
    assert svg.one("desc").text == f"then: {2 * MOST}, mean 90.5 %."


def test_no_line_without_a_mean() -> None:
    """A group that is only there for comparison has marks alone."""
    assert drawn(series("then", (0, 90.0), has_mean=False)).all("line", class_="mean") == []
