"""The simulation of drift, with pictures that are only noise."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from benchmarks.drift import Pool, false_alarms, power, tables

DIGITS = np.repeat(np.arange(10), 50)


@pytest.fixture(scope="module")
def pool() -> Pool:
    """Ten digits, each at a place of its own."""
    places = np.random.default_rng(0).normal(0, 3, (10, 4))
    return Pool(DIGITS, (places[DIGITS] + np.random.default_rng(1).normal(size=(500, 4))).astype(np.float32))


def test_scenes_have_a_mean_length() -> None:
    """Each of its captures is of one digit; a new scene has the same digit again in one of ten cases."""
    pool = Pool(DIGITS, DIGITS[:, np.newaxis].astype(np.float32))
    drawn = pool.draw(4000, 5, np.random.default_rng(0))[:, 0]
    lengths = [len(list(group)) for _, group in groupby(drawn)]
    assert np.mean(lengths) == pytest.approx(5 / 0.9, rel=0.1)
    assert set(pool.without(3, 4).draw(500, 1, np.random.default_rng(0))[:, 0]) == set(range(10)) - {3, 4}


def test_long_scenes_alarm_only_those_who_permute_pictures(pool: Pool) -> None:
    """Neighbouring blocks are alike then, so this command gives no answer."""
    assert false_alarms(pool, 40, 2, seed=0) == {
        "boards": 2,
        "alarms": {"ours": 0, "no doubt": 1, "every look alike": 2, "single pictures": 2},
        "alike": 2,
    }


def test_a_shift_that_nobody_can_miss(pool: Pool) -> None:
    """Half of the digits are missing."""
    found = power(pool, pool.without(0, 1, 2, 3, 4), 1, 2, seed=1)
    assert found["verdicts"] == {"1": {"drift": 2}, "10": {"drift": 2}}
    assert 0.7 < found["told_apart"] < 1


def test_the_tables() -> None:
    """Shares with their intervals, in the order of the methods and of the shifts."""
    alarms = {
        scene: {
            "boards": 200,
            "alarms": {"ours": number, "no doubt": 20, "every look alike": 30, "single pictures": 40},
            "alike": 10,
        }
        for number, scene in enumerate(("1", "5", "10", "20"))
    }
    one = {"boards": 50, "told_apart": 0.61, "verdicts": {"1": {"drift": 25, "no drift": 25}, "10": {"drift": 10}}}
    other = {"boards": 50, "told_apart": 0.7, "verdicts": {"1": {"drift": 5, "alike": 20, "no drift": 25}}}
    first, second = tables({"false_alarms": alarms, "power": {"dark": {"1": one, "5": other, "5, longer": one}}})
    assert (
        first.splitlines()[0]
        == "| what is permuted, and how | independent | scenes of 5 | scenes of 10 | scenes of 20 |"
    )
    assert first.splitlines()[2].endswith(
        ": this command | 0.0 % (0.0 to 1.9) | 0.5 % (0.1 to 2.8) | 1.0 % (0.3 to 3.6) | 1.5 % (0.5 to 4.3) |"
    )
    assert first.splitlines()[-1] == "| boards whose neighbours are alike | 5 % | 5 % | 5 % | 5 % |"
    assert second.splitlines()[2:] == ["| dark | 61 % | 50 % | 20 % | 10 % (40 % no answer) | 50 % |"]
