"""Tests by permutation of blocks: p values counted by hand, and an interval that is the test's."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from mixer_edge_export.drift.permutation import Labels, difference, draws_needed, p_value, shift_interval

RECENT = np.array([False] * 12 + [True] * 6)


class Counted:
    """A statistic that is 1 for what was observed, and then as a list says, again and again."""

    def __init__(self, *values: float) -> None:
        self.values, self.drawn = values, -1

    def __call__(self, labels: Labels) -> NDArray[np.float64]:
        if self.drawn < 0:
            self.drawn = 0
            return np.ones(1)
        found = [self.values[(self.drawn + number) % len(self.values)] for number in range(len(labels))]
        self.drawn += len(labels)
        return np.array(found)


def test_as_many_draws_as_the_level_needs() -> None:
    """With 19 exceeding draws p is at most the level, with 20 it is above."""
    assert draws_needed(0.0125) == 1599
    assert 20 / 1600 <= 0.0125 < 20 / 1599


def test_no_draw_exceeds() -> None:
    """All draws are made, and p is one of them and what was observed."""
    statistic = Counted(0.0)
    assert p_value(statistic, RECENT, 0.0125) == 1 / 1600
    assert statistic.drawn == 1599


def test_the_twentieth_that_exceeds_ends_it() -> None:
    """Every fourth draw is as large: the 20th of them is the 80th draw, in the second batch."""
    statistic = Counted(0.0, 0.5, 0.9, 1.0)
    assert p_value(statistic, RECENT, 0.0125) == 20 / 80
    assert statistic.drawn == 64 + 128


def test_equal_but_for_rounding() -> None:
    """A draw with the same sum in another order counts as equally large."""
    assert p_value(Counted(1 - 1e-12), RECENT, 0.0125) == 1.0


def test_every_choice_of_blocks_is_equally_probable() -> None:
    """Of the 20 choices of three blocks, 2 have a difference as large: p is about 0.1."""
    values, recent = np.arange(6.0), np.array([False] * 3 + [True] * 3)
    choices = [np.isin(np.arange(6), choice) for choice in combinations(range(6), 3)]
    large = [abs(difference(values, choice[np.newaxis])[0]) >= 3 for choice in choices]
    assert (len(large), sum(large)) == (20, 2)
    found = p_value(lambda labels: np.abs(difference(values, labels)), recent, 0.0125)
    assert found == pytest.approx(0.1, rel=0.5)


def test_a_difference_of_means() -> None:
    """The recent blocks' mean minus the others'."""
    labels = np.array([[False, False, True], [True, False, True]])
    assert difference(np.array([1.0, 3.0, 8.0]), labels).tolist() == [6.0, 1.5]


@pytest.mark.parametrize("seed", range(4))
def test_the_interval_has_the_shifts_that_are_not_rejected(seed: int) -> None:
    """Inside of both ends the test of the shifted values does not reject, outside it does; so with 0."""
    level = 0.0125
    values = np.random.default_rng(seed).normal(0, 1, 18) + seed * RECENT

    def p_without(shift: float) -> float:
        return p_value(lambda labels: np.abs(difference(values - shift * RECENT, labels)), RECENT, level)

    low, high = shift_interval(values, RECENT, level)
    assert low < difference(values, RECENT[np.newaxis])[0] < high
    assert p_without(low - 1e-6) <= level < p_without(low + 1e-6)
    assert p_without(high + 1e-6) <= level < p_without(high - 1e-6)
    assert (low <= 0 <= high) == (p_without(0) > level)


def test_the_interval_of_equal_blocks_is_one_number() -> None:
    """Without any noise only the shift itself is not rejected."""
    assert shift_interval(np.where(RECENT, 3.0, 1.0), RECENT, 0.0125) == pytest.approx((2.0, 2.0))
