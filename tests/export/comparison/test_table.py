"""The exact text of the comparison in a terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.comparisons import COMPARISON, COSTS, REFUSING, UNLABELLED

from mixer_edge_export.comparison.table import board_rows, format_report, format_table, picture_warnings


def test_the_whole_report() -> None:
    """Figures, verdicts, one recommendation, bounds, boards and what the pictures are worth, a block each."""
    assert format_report(COMPARISON).split("\n\n") == [
        "variant  size     input    output   top-1   95 % interval     changed      latency\n"
        "float32  4.12 MB  float32  float32  90.00%  87.98% to 91.71%  0 of 1,000   2.13 ms\n"
        "float16  2.07 MB  float32  float32  90.10%  88.09% to 91.80%  2 of 1,000   2.25 ms\n"
        "int8     1.06 MB  int8     int8     86.20%  83.92% to 88.20%  57 of 1,000  0.81 ms\n"
        "1,000 pictures; changed: predictions that differ from float32's.\n"
        "Note: int8 was calibrated so.",
        "float16: what is said of float16.\nint8: what is said of int8.",
        "Ship float16: the one that is chosen.",
        "float16 keeps it.\nint8 does not keep it.",
        "host        board           variant  top-1 there  differ from here  latency there  temperature\n"
        "pi@kitchen  Raspberry Pi 5  float32  89.99%       0 of 999          7.12 ms        48.3 °C\n"
        "pi@kitchen  Raspberry Pi 5  int8     -            12 of 999         3.46 ms        48.3 °C\n"
        "pi@garden   FAILED          -        -            -                 -              -\n"
        "pi@kitchen: int8 differs from this machine in a.png, b.png, c.png and 9 more.\n"
        "pi@kitchen: float16 does not run there: no kernel.\n"
        "pi@garden failed: it does not answer",
        "5 of the pictures were also used to make the bundle (training, calibration or selection); remove them "
        "from the data: f.png, g.png, h.png and 2 more.\n"
        "3 of the pictures are copies of others and count each time: a.png = b.png = c.png, d.png = e.png.\n"
        "1 picture could not be read and does not count.",
    ]


def test_the_share_of_refused_pictures_has_a_column() -> None:
    """Only if the bundle has a threshold."""
    assert format_table(REFUSING).splitlines() == [
        "variant  size     input    output   top-1   95 % interval     changed      none of these  latency",
        "float32  4.12 MB  float32  float32  90.00%  87.98% to 91.71%  0 of 1,000   4.50%          2.13 ms",
        "float16  2.07 MB  float32  float32  90.10%  88.09% to 91.80%  2 of 1,000   4.60%          2.25 ms",
        "int8     1.06 MB  int8     int8     86.20%  83.92% to 88.20%  57 of 1,000  8.70%          0.81 ms",
        "1,000 pictures; changed: predictions that differ from float32's; none of these: refused pictures, whose "
        "nearest class counts.",
        "Note: int8 was calibrated so.",
    ]


def test_unlabelled_pictures_have_no_accuracy() -> None:
    """Only the number of changed predictions is known."""
    assert format_table(UNLABELLED).splitlines() == [
        "variant  size     input    output   top-1  95 % interval  changed      latency",
        "float32  4.12 MB  float32  float32  -      -              0 of 1,000   2.13 ms",
        "float16  2.07 MB  float32  float32  -      -              2 of 1,000   2.25 ms",
        "int8     1.06 MB  int8     int8     -      -              57 of 1,000  0.81 ms",
        "1,000 pictures; changed: predictions that differ from float32's; not labelled, so agreement only.",
        "Note: int8 was calibrated so.",
    ]


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ("trained", "No labelled pictures given (DATA=): latency and size only."),
        ("random", "Random weights: latency and size only."),
    ],
)
def test_without_pictures_there_are_costs_alone(weights: str, reason: str) -> None:
    """No verdict and no recommendation; the source has neither size nor latency."""
    assert format_report(replace(COSTS, weights=weights)).splitlines() == [
        "variant  size     input    output   top-1  95 % interval  changed  latency",
        "source   -        float32  float32  -      -              -        -",
        "float16  2.07 MB  float32  float32  -      -              -        2.25 ms",
        reason,
    ]


def test_a_board_that_does_not_say_what_it_is() -> None:
    """Without a name and a temperature there are dashes."""
    quiet = replace(COMPARISON.boards[0], board=None, temperature_celsius=None)
    assert board_rows(replace(COMPARISON, boards=(quiet,)))[0] == [
        "pi@kitchen", "-", "float32", "89.99%", "0 of 999", "7.12 ms", "-",
    ]  # fmt: skip


def test_good_pictures_have_no_warnings() -> None:
    """Without problems there are no warnings."""
    assert picture_warnings(COSTS) == []
