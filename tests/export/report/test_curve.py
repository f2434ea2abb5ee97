"""The plot of a curve: positions computed by hand."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from tests.export.report.html_tree import Element, read_html

from mixer_edge_export.report.curve import Place, curve


def drawn(places: list[Place], **changes: Any) -> Element:
    """Return the plot with the last point marked, on a logarithmic axis with a tick at each point."""
    facts: dict[str, Any] = {
        "title": "A & b",
        "description": "in words",
        "x_title": "pictures",
        "x_ticks": [place.x for place in places],
        "scale": math.log,
        "mark": places[-1],
    }
    return read_html(curve(places, **facts | changes)).one("svg")


def numbers(element: Element) -> list[float]:
    """Return the numbers of a line's points: x, y, x, y, ..."""
    return [float(text) for text in re.split("[ ,]", element.attributes["points"] or "")]


def place(x: float, y: float, spread: float = 0.0) -> Place:
    """Return a point, ``spread`` above and below."""
    return Place(x=x, y=y, low=y - spread, high=y + spread)


def test_a_curve_and_its_band_are_where_their_values_are() -> None:
    """They go from 50 to 346 with equal distances for equal ratios, and from 196 up to 34 with the whole band."""
    plot = drawn([place(4, 60, 10), place(8, 70, 10), place(16, 80, 10)])
    # y runs from 50 to 90 over 162 units
    assert numbers(plot.one("polyline")) == [50.0, 155.5, 198.0, 115.0, 346.0, 74.5]
    assert numbers(plot.one("polygon")) == [
        *(50.0, 115.0, 198.0, 74.5, 346.0, 34.0),  # above, from left to right
        *(346.0, 115.0, 198.0, 155.5, 50.0, 196.0),  # below, and back
    ]
    marker = plot.one("circle", class_="marker chosen")
    assert (marker.attributes["cx"], marker.attributes["cy"]) == ("346.0", "74.5")
    assert [text.text for text in plot.all("text", class_="tick end")] == ["50 %", "60 %", "70 %", "80 %", "90 %"]
    assert [text.text for text in plot.all("text", class_="tick middle")] == ["16", "8", "4"]
    assert plot.one("text", class_="title middle").text == "pictures"


def test_a_screen_reader_gets_the_curve_in_words() -> None:
    """The title, and a description that is not shown."""
    plot = drawn([place(4, 60), place(8, 70)])
    assert (plot.attributes["role"], plot.attributes["aria-label"]) == ("img", "A & b")
    assert plot.one("desc").text == "in words"


@pytest.mark.parametrize(
    ("x", "where"),
    [
        (10, ("name halo chosen", "88.6", "133.0")),
        (90, ("name halo chosen end", "321.4", "104.0")),
    ],
)
def test_the_value_stands_where_the_curve_is_not(x: float, where: tuple[str, str, str]) -> None:
    """In the left half to the right and below, in the right half to the left and above."""
    plot = drawn([place(0, 0), place(100, 100)], scale=float, mark=place(x, 50))
    (value,) = [it for it in plot.all("text") if "chosen" in (it.attributes["class"] or "")]
    assert value.text == "50.0 %"
    assert tuple(value.attributes[name] for name in ("class", "x", "y")) == where


def test_ticks_that_would_touch_are_left_out() -> None:
    """The larger of two stays: from 15 to 16 it is only 14 units."""
    plot = drawn([place(4, 60), place(15, 70), place(16, 80)])
    assert [text.text for text in plot.all("text", class_="tick middle")] == ["16", "4"]


def test_one_point_is_a_curve() -> None:
    """It is drawn at the left; a curve that does not change is at the top of an axis of 5 points."""
    plot = drawn([place(4, 60)])
    assert numbers(plot.one("polyline")) == [50.0, 34.0]
    assert [text.text for text in plot.all("text", class_="tick end")] == [f"{y} %" for y in range(55, 61)]
