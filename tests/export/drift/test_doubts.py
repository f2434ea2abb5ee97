"""What makes an alarm doubtful."""

from __future__ import annotations

import numpy as np
from tests.random_captures import outputs, stream

from mixer_edge_export.drift.doubts import ALIKE, alike_p, neighbours_p, other_hours


def test_neighbours_that_are_alike() -> None:
    """Blocks in a row: of 40,320 orders of eight, only two are as near, and none of 999 is one of them."""
    places = np.arange(8.0)
    assert neighbours_p(np.abs(places[:, np.newaxis] - places)) == 0.001


def test_blocks_that_are_equally_far() -> None:
    """Every order is as near."""
    assert neighbours_p(1 - np.eye(8)) == 1.0


def test_halves_of_blocks() -> None:
    """Scenes of twelve are alike in blocks of ten; noise is not, and scenes that are half a block are not."""
    scenes = outputs(stream(120, scene=12))
    assert [alike_p(scenes, size) for size in (10, 11)] == [0.001, 0.001]
    assert alike_p(outputs(stream(120)), 10) > ALIKE
    assert alike_p(outputs(stream(120, scene=5)), 10) > ALIKE


def test_hours_of_the_day() -> None:
    """A reference of 0 to 11 o'clock does not know the afternoon; a whole day knows it, and a tenth is not said."""
    captures = stream(60)
    assert other_hours(captures[:12], captures[24:44]) == (
        "8 of 20 recent captures are from hours of the day that the reference does not have; a longer one would: "
        "--reference 24"
    )
    assert other_hours(captures[:24], captures[24:48]) is None
    assert other_hours(captures[:12], captures[26:37]) is None
    assert other_hours(captures[:12], captures[24:34] + captures[36:37]) is None
