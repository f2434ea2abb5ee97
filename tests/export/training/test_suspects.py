"""Pictures whose label looks wrong, by hand."""

from __future__ import annotations

import numpy as np

from mixer_edge_export.training.record import Suspect
from mixer_edge_export.training.suspects import find_suspects


def test_suspects_by_hand() -> None:
    """A picture counts if another class reaches the confidence of that class's own pictures.

    Own probabilities of a: 0.9, 0.8, 0.1 (mean 0.6); of b: 0.7, 0.45 (mean 0.575). The third picture is b with 0.9,
    above 0.575; the fifth is a with 0.55, below 0.6.
    """
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.55, 0.45]])
    classes = np.array([0, 0, 0, 1, 1])
    names = ("a/1.png", "a/2.png", "a/3.png", "b/1.png", "b/2.png")
    assert find_suspects(np.log(probabilities), classes, names, ("a", "b")) == (
        Suspect(file="a/3.png", label="a", likely="b", probability=0.1),
    )


def test_the_least_probable_label_comes_first() -> None:
    """Ties are broken by the name."""
    probabilities = np.array([[0.2, 0.8], [0.1, 0.9], [0.1, 0.9], [0.9, 0.1], [0.4, 0.6], [0.3, 0.7]])
    names = ("a/1.png", "a/3.png", "a/2.png", "a/4.png", "b/1.png", "b/2.png")
    found = find_suspects(np.log(probabilities), np.array([0, 0, 0, 0, 1, 1]), names, ("a", "b"))
    assert [each.file for each in found] == ["a/2.png", "a/3.png", "a/1.png"]
