"""What a look finds, on outputs that lie on a line."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import pytest
from tests.random_captures import drawn

from mixer_edge_export.drift.blocks import Parts
from mixer_edge_export.drift.captures import Capture
from mixer_edge_export.drift.compare import compare, verdict


def at(number: int, place: float, probability: float) -> Capture:
    """Return a capture with one output."""
    outputs = base64.b64encode(np.array([place], "<f4").tobytes()).decode()
    return replace(drawn(number, probability=probability), outputs=outputs)


def test_figures_and_the_strangest() -> None:
    """A picture at 39 is (39 - 21) / 1.8 times as far as usual: the five nearest are at 19 to 23, and usual is 1.8."""
    order = np.random.default_rng(0).permutation(24)
    reference = tuple(at(number, float(order[number]), 0.9) for number in range(24))
    recent = tuple(at(24 + number, 39.0 + (number == 5) * 18, 0.6) for number in range(14))
    result = compare(Parts(size=2, reference=reference, recent=recent), 1, 0.0125)
    assert (result.look, result.threshold, result.verdict) == (1, 0.0125, "drift")
    assert [strange.distance for strange in result.strangest] == pytest.approx([20.0, *[10.0] * 11])
    assert [strange.file for strange in result.strangest[:2]] == [recent[5].file, recent[0].file]
    assert (result.confidence.reference, result.confidence.recent) == pytest.approx((0.9, 0.6))
    assert result.confidence.difference == pytest.approx(-0.3)
    assert result.confidence.interval == pytest.approx((-0.3, -0.3))
    assert (result.outputs.told_apart, result.outputs.p_value) == (1.0, 1 / 1600)


def test_recent_captures_that_fill_no_block() -> None:
    """The oldest one is left out, as everywhere."""
    reference = tuple(at(number, float(number % 5), 0.9) for number in range(24))
    recent = (at(24, 1000.0, 0.1), *(at(25 + number, float(number % 5), 0.9) for number in range(12)))
    result = compare(Parts(size=2, reference=reference, recent=recent), 1, 0.0125)
    assert result.verdict == "no drift"
    assert recent[0].file not in {strange.file for strange in result.strangest}
    assert result.confidence.difference == pytest.approx(0.0)


def test_verdicts() -> None:
    """Neighbours that are alike make a drift doubtful, and nothing else."""
    found = [verdict(p, 0.0125, alike) for p in (0.0125, 0.0126) for alike in (0.01, 0.011)]
    assert found == ["alike", "drift", "no drift", "no drift"]
