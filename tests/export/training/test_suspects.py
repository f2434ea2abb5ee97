"""Pictures whose label looks wrong, by hand."""

from __future__ import annotations

import numpy as np

from mixer_edge_export.training.record import Suspect
from mixer_edge_export.training.suspects import find_suspects


def test_suspects_by_hand() -> None:
    """A picture counts if another class reaches the confidence of that class's own pictures.

    Own probabilities of a: 0.9, 0.8, 0.06 (mean 0.587); of b: 0.7, 0.45 (mean 0.575). The third picture is b with 0.94,
    above 0.575; the fifth is a with 0.55, below 0.587.
    """
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.06, 0.94], [0.3, 0.7], [0.55, 0.45]])
    classes = np.array([0, 0, 0, 1, 1])
    names = ("a/1.png", "a/2.png", "a/3.png", "b/1.png", "b/2.png")
    assert find_suspects(np.log(probabilities), classes, names, ("a", "b")) == (
        Suspect(file="a/3.png", label="a", likely="b", probability=0.06),
    )


def test_the_least_probable_label_comes_first() -> None:
    """Ties are broken by the name."""
    probabilities = np.array([[0.08, 0.92], [0.05, 0.95], [0.05, 0.95], [0.9, 0.1], [0.4, 0.6], [0.3, 0.7]])
    names = ("a/1.png", "a/3.png", "a/2.png", "a/4.png", "b/1.png", "b/2.png")
    found = find_suspects(np.log(probabilities), np.array([0, 0, 0, 0, 1, 1]), names, ("a", "b"))
    assert [each.file for each in found] == ["a/2.png", "a/3.png", "a/1.png"]


def test_where_nothing_is_sure_no_label_is_suspect() -> None:
    """Half of the answers are wrong with probabilities near a half: that is chance, not a wrong label."""
    probabilities = np.array([[0.45, 0.55], [0.55, 0.45], [0.52, 0.48], [0.4, 0.6]])
    names = ("a/1.png", "a/2.png", "b/1.png", "b/2.png")
    assert find_suspects(np.log(probabilities), np.array([0, 0, 1, 1]), names, ("a", "b")) == ()
