"""How well two groups are told apart."""

from __future__ import annotations

import numpy as np
import pytest

from mixer_edge_export.drift import told_apart as module
from mixer_edge_export.drift.told_apart import told_apart

SIZE, BLOCKS = 5, 6


def noise(seed: int, outputs: int = 3) -> np.ndarray:
    """Return the outputs of 12 blocks."""
    return np.random.default_rng(seed).normal(size=(2 * BLOCKS * SIZE, outputs))


def test_always() -> None:
    """Groups that lie apart are told in each pair."""
    values = noise(0)
    values[BLOCKS * SIZE :] += 10
    assert told_apart(values, SIZE, BLOCKS) == 1.0


def test_equal_pictures_are_chance() -> None:
    """A tie is half a pair."""
    assert told_apart(np.zeros((2 * BLOCKS * SIZE, 3)), SIZE, BLOCKS) == 0.5


def test_noise_is_chance_on_average() -> None:
    """No picture helps to tell its own block: the mean over many draws is 50 %, not more and not less."""
    shares = [told_apart(noise(seed), SIZE, BLOCKS) for seed in range(60)]
    assert abs(np.mean(shares) - 0.5) < 3 * np.std(shares) / np.sqrt(len(shares))


def test_a_block_that_is_alike_does_not_help() -> None:
    """Pictures that are equal within their block would be recognized by their neighbours."""
    shares = [told_apart(np.repeat(noise(seed)[: 2 * BLOCKS], SIZE, axis=0), SIZE, BLOCKS) for seed in range(60)]
    assert abs(np.mean(shares) - 0.5) < 3 * np.std(shares) / np.sqrt(len(shares))


def test_a_spread_that_has_changed() -> None:
    """The outputs' squares tell it."""
    values = noise(1)
    values[BLOCKS * SIZE :] *= 4
    assert told_apart(values, SIZE, BLOCKS) > 0.8


def test_many_outputs_are_projected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four directions of 50 outputs still tell groups that lie apart."""
    monkeypatch.setattr(module, "MOST_OUTPUTS", 4)
    values = noise(2, 50)
    values[BLOCKS * SIZE :] += 3
    assert told_apart(values, SIZE, BLOCKS) > 0.95
