"""The figures about trained heads, on values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.train import RULES, coverage, prediction_interval, summary, tables

from mixer_edge.metrics import wilson_interval


def test_a_prediction_is_wider_than_the_interval_of_the_long_run() -> None:
    """With as many new pictures the variance doubles; with very many the interval is the long run's."""
    assert prediction_interval(180, 200, 200) == wilson_interval(180, 200, 1.959963984540054 * 2**0.5)
    assert prediction_interval(180, 200, 10**12) == pytest.approx(wilson_interval(180, 200))


def test_nineteen_of_twenty_predictions_are_right() -> None:
    """Of 4,000 pairs of draws with the same probability, 95 % of the second shares are in the interval of the first."""
    rng = np.random.default_rng(0)
    seen, new = rng.binomial(200, 0.9, 4000), rng.binomial(780, 0.9, 4000)
    bounds = np.array([prediction_interval(int(count), 200, 780) for count in seen])
    assert 0.94 < coverage(bounds.tolist(), (new / 780).tolist()) < 0.96


def test_differences_are_paired() -> None:
    """Ours is half a point above on each of two draws, so the difference has no error."""
    found = summary({"ours": [0.75, 0.25], "theirs": [0.5, 0.0]})
    assert found["ours"] == {"accuracy": [0.5, pytest.approx(0.25)], "ours_above": [0.0, 0.0]}
    assert found["theirs"] == {"accuracy": [0.25, pytest.approx(0.25)], "ours_above": [0.25, 0.0]}


def test_the_tables() -> None:
    """The best accuracy is bold, the others' differences are in brackets, and what was not measured is a dash."""
    rules = {
        rule: {"accuracy": [0.9 - place / 100, 0.001], "ours_above": [place / 100, 0.0005]}
        for place, rule in enumerate(RULES)
    }
    del rules["pycoral imprinting"]
    promise = {
        "mean_covered": 0.95,
        "shown_width": 0.06,
        "draw_covered": 0.94,
        "predicted_width": 0.07,
        "cross_validated_above": 0.001,
        "refused": 0.05,
        "refused_spread": 0.01,
        "measures": {"logit": [0.9, 0.5]},
    }
    lines = tables(
        {
            "few_shots": {"turned": {"5": rules}},
            "promises": {"turned": promise},
            "costs": {"choice_cpu_s": 1.0, "threshold_cpu_s": 0.5, "peak_mib": 200.0},
        }
    ).splitlines()
    assert lines[4] == (
        "| turned | 5 | **90.00 ± 0.10** | 89.00 ± 0.10 (+1.00 ± 0.05) | – | "
        "87.00 ± 0.10 (+3.00 ± 0.05) | 86.00 ± 0.10 (+4.00 ± 0.05) |"
    )
    assert "| turned | 95.0%, 6.0 points | 94.0%, 7.0 points | +0.10 points | 5.00% ± 1.00% |" in lines
