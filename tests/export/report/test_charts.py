"""The report's plots: positions of points, intervals and names, computed by hand."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_edge_export.report.charts import Interval, Point, bars, intervals, scatter, ticks


def attributes(drawing: str, pattern: str) -> list[tuple[float, ...]]:
    """Return the numbers in each match of a pattern."""
    return [tuple(map(float, match.groups())) for match in re.finditer(pattern, drawing)]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (0, 1.08, [0, 0.5, 1]),
        (97.9, 99.6, [98, 98.5, 99, 99.5]),
        (-0.012, 0.003, [-0.01, -0.005, 0]),
        (5, 5, [5]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    """At steps of 1, 2 or 5 times a power of ten, from the first to the last in the range."""
    assert ticks(low, high) == expected


MAGNITUDES = st.builds(lambda digits, exponent: digits * 10.0**exponent, st.floats(1, 10), st.integers(-12, 11))


@given(MAGNITUDES, st.sampled_from([-1, 0, 1]), st.just(0.0) | MAGNITUDES)
def test_ticks_rise_within_the_axis_by_one_round_step(size: float, sign: int, span: float) -> None:
    """Two to six ticks, decimal multiples of one step; one tick if the ends are equal in six digits."""
    low, high = sign * size, sign * size + span
    found = ticks(low, high)
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        assert found == [low]
        return
    assert 2 <= len(found) <= 6
    decimals = [Decimal(repr(tick)) for tick in found]
    step = decimals[1] - decimals[0]
    assert step.normalize().as_tuple().digits in ((1,), (2,), (5,))
    assert decimals == [decimals[0] + number * step for number in range(len(found))]
    assert decimals[0] % step == 0
    slack = Decimal("1e-8") * step
    assert -slack <= decimals[0] - Decimal(low) <= step + slack
    assert -slack <= Decimal(high) - decimals[-1] <= step + slack


def test_a_scatter_puts_points_where_their_values_are() -> None:
    """The x axis runs from 0 at 50 to the end at 346, y up; the chosen point is filled, drawn last, and named."""
    points = [
        Point(name="float32", shape=0, x=10.0, y=99.0, low=98.0, high=100.0, chosen=False),
        Point(name="int8", shape=1, x=5.0, y=98.5, low=97.0, high=100.0, chosen=True),
    ]
    drawing = scatter(points, title="Accuracy & cost", x_title="ms", y_format=lambda value: f"{value:g} %")
    assert drawing.startswith('<svg viewBox="0 0 360 280" role="img" aria-label="Accuracy &amp; cost">')
    # the axis ends at 1.08 times the largest x: 50 + 10 / 10.8 * 296 and 50 + 5 / 10.8 * 296
    (circle,) = attributes(drawing, r'<circle cx="([\d.]+)" cy="([\d.]+)" r="5" class="marker"/>')
    (square,) = attributes(drawing, r'<rect x="([\d.]+)" y="([\d.]+)" width="9" height="9" class="marker chosen"/>')
    assert circle[0] == pytest.approx(324.1, abs=0.05)
    assert square[0] + 4.5 == pytest.approx(187.0, abs=0.05)
    # y runs from 97 - 0.06 * 3 to 100 + 0.06 * 3 over 222 units above 236
    assert circle[1] == pytest.approx(236 - (99 - 96.82) / 3.36 * 222, abs=0.1)
    assert square[1] + 4.5 == pytest.approx(236 - (98.5 - 96.82) / 3.36 * 222, abs=0.1)
    assert drawing.index("<circle") < drawing.index('class="marker chosen"')
    assert re.findall(r'class="(name[^"]*)">([^<]*)<', drawing) == [
        ("name halo end", "float32"),
        ("name halo chosen", "int8"),
    ]
    assert drawing.count('class="whisker"') == 2


def test_names_that_would_lie_on_each_other_move_down() -> None:
    """For two points at one position, the second name is a line of text below the first."""
    same = {"shape": 0, "x": 1.0, "y": 1.0, "low": 0.0, "high": 2.0, "chosen": False}
    drawing = scatter([Point(name=name, **same) for name in "ab"], title="", x_title="", y_format=str)
    (first,), (second,) = attributes(drawing, r'y="([\d.]+)" class="name halo')
    assert second - first >= 14


def test_intervals_run_from_low_to_high() -> None:
    """One row for each interval: whisker ends, marker, the line at 0 and the dashed bound."""
    row = Interval(name="int8", shape=0, value=-0.5, low=-1.0, high=0.0, text="-0.50 points", chosen=True)
    drawing = intervals([row], title="t", x_title="points", line=0.0, bound=-1.0)

    def across(x: float) -> float:
        return 12 + (x + 1.06) / 1.12 * 336

    (whisker,) = attributes(drawing, r'class="whisker" x1="([\d.]+)" y1="36.0" x2="([\d.]+)" y2="36.0"')
    assert whisker == pytest.approx((across(-1), across(0)), abs=0.05)
    (marker,) = attributes(drawing, r'<circle cx="([\d.]+)" cy="36.0"')
    assert marker[0] == pytest.approx(across(-0.5), abs=0.05)
    (bound,) = attributes(drawing, r'class="bound" x1="([\d.]+)"')
    assert bound[0] == pytest.approx(across(-1), abs=0.05)
    assert '<text x="348.0" y="18.0" class="tick end">-0.50 points</text>' in drawing


def test_bars_are_as_long_as_their_values() -> None:
    """The longest bar fills the width, and a bar of zero is still visible."""
    drawing = bars([("stem", 2.0), ("head", 0.5), ("none", 0.0)], title="t", x_title="nats")
    assert attributes(drawing, r'<rect class="bar" x="0" y="\d+" width="([\d.]+)"') == [(360,), (90,), (1,)]
    assert re.findall(r'class="tick end">([^<]*)<', drawing) == ["2", "0.5", "0"]


def test_every_variant_has_a_shape_of_its_own() -> None:
    """Seven shapes before one repeats, so colours are not needed to distinguish them."""
    points = [Point(name="", shape=n, x=1.0, y=1.0, low=1.0, high=1.0, chosen=False) for n in range(8)]
    drawing = scatter(points, title="", x_title="", y_format=str)
    markers = re.findall(r'<(circle|rect|path)([^>]*) class="marker"/>', drawing)
    assert len(set(markers)) == 7
    assert markers[0] == markers[7]
