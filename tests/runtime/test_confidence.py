"""The temperature and the threshold, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mixer_edge.confidence import FLOOR, quantile, temperature_of


def test_the_temperature_of_known_probabilities() -> None:
    """Of 100 pictures, 75 are right with a logit that is 1 above: log 3 = 1 / t, but for the two added pictures."""
    logits = np.zeros((100, 2))
    logits[:75, 0] = logits[75:, 1] = 1
    found = temperature_of(logits, np.zeros(100, np.int64))
    right = (75 * 101 / 102 + 25 / 102) / 100
    assert found == pytest.approx(1 / np.log(right / (1 - right)), rel=1e-4)


def test_the_temperature_if_everything_is_right() -> None:
    """The probability is then (n + 1) / (n + 2), not 1."""
    logits = np.array([[3.0, 0.0]] * 10)
    found = temperature_of(logits, np.zeros(10, np.int64))
    assert 1 / (1 + np.exp(-3 / found)) == pytest.approx(11 / 12, rel=1e-4)


def test_quantiles_by_hand() -> None:
    """Of 19 scores 5 % is the smallest one; of 18 none may be refused."""
    assert quantile(np.arange(19.0), 0.05) == 0.0
    assert quantile(np.arange(39.0)[::-1], 0.05) == 1.0
    assert quantile(np.arange(18.0), 0.05) < 0.0


def test_a_class_that_a_head_did_not_know_counts_as_much_as_the_floor() -> None:
    """A logit of minus infinity does not decide the temperature; the loss of the others does."""
    logits = np.array([[0.0, 1.0, -np.inf]] * 75 + [[1.0, 0.0, -np.inf]] * 25)
    known = temperature_of(logits[:, :2], np.ones(100, np.int64))
    assert FLOOR == -30
    assert temperature_of(logits, np.ones(100, np.int64)) == pytest.approx(known, rel=0.02)
