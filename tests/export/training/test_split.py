"""The split: whole groups, every class, and the same whatever the order of the pictures."""

from __future__ import annotations

import logging
from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mixer_edge.errors import DataError
from mixer_edge_export.training.split import folds, hold_out

LABELS = ("ant", "bee", "cat", "dog")


def held(classes: list[int], groups: list[int], share: float = 0.2, seed: int = 0) -> NDArray[np.bool_]:
    """Return what is held out of pictures of the four classes."""
    return hold_out(np.array(classes), np.array(groups), share, seed, LABELS)


def test_a_share_of_each_class() -> None:
    """Of 10, 20, 30 and 5 pictures of their own, 20 % are 2, 4, 6 and 1; another seed takes others."""
    classes = [0] * 10 + [1] * 20 + [2] * 30 + [3] * 5
    chosen = held(classes, list(range(65)))
    assert np.bincount(np.array(classes)[chosen]).tolist() == [2, 4, 6, 1]
    assert chosen.tolist() == held(classes, list(range(65))).tolist()
    assert chosen.tolist() != held(classes, list(range(65)), seed=1).tolist()


def test_groups_that_are_larger_than_the_share() -> None:
    """A class of groups of 5, 4 and 3 gives the smallest of them, though 20 % are 2 pictures; one of two gives none."""
    classes = [0] * 12 + [1] * 12
    groups = [1] * 5 + [2] * 4 + [3] * 3 + [4] * 6 + [5] * 6
    for seed in range(5):
        assert np.flatnonzero(held(classes, groups, seed=seed)).tolist() == [9, 10, 11]


def test_two_groups_always_stay() -> None:
    """Of groups of 8, 1 and 1 pictures only one is held out, though 20 % are 2 pictures."""
    chosen = held([0] * 10, [1] * 8 + [2, 3])
    assert Counter(chosen.tolist()) == {False: 9, True: 1}
    assert not chosen[:8].any()


def test_a_class_that_gives_nothing_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """Classes with two groups give nothing, also if they share them, and a warning names them."""
    caplog.set_level(logging.WARNING, "mixer_edge_export")
    chosen = held([0] * 5 + [1] * 4 + [2] * 3 + [3] * 3, [*range(5), 5, 5, 6, 6, 5, 6, 6, 7, 8, 9])
    assert Counter(np.flatnonzero(chosen) < 5) == {True: 1, False: 1}
    assert caplog.messages == ["nothing is held out of 2 classes with too few pictures ('bee', 'cat')"]


def test_nothing_to_hold_out() -> None:
    """Two groups in every class: the message says what helps."""
    with pytest.raises(DataError) as error:
        held([0, 0, 1, 1, 2, 2, 3, 3], [*range(8)])
    assert str(error.value) == (
        "no class has three pictures that do not belong together, so none can be held out; add pictures, or name a "
        "folder of pictures to hold out"
    )


def test_more_pictures_change_little() -> None:
    """With ten more pictures in a class of 100, what was held out of it before still is, but for a few."""
    keys = np.array([f"{Random(index).getrandbits(256):064x}" for index in range(110)])
    before, after = (hold_out(np.zeros(count, np.int64), keys[:count], 0.2, 0, ("ant",)) for count in (100, 110))
    assert (before.sum(), after.sum()) == (20, 22)
    assert (before & after[:100]).sum() >= 18


def test_folds_of_single_pictures_are_even() -> None:
    """Of 10, 11 and 13 pictures each of five folds has 2, 2 or 3, and 2 or 3; 34 in all, so 6 or 7."""
    classes = np.array([0] * 10 + [1] * 11 + [2] * 13)
    numbers = folds(classes, np.arange(34), 5, 0)
    assert np.bincount(numbers[classes == 0]).tolist() == [2, 2, 2, 2, 2]
    assert sorted(np.bincount(numbers[classes == 1]).tolist()) == [2, 2, 2, 2, 3]
    assert sorted(np.bincount(numbers[classes == 2]).tolist()) == [2, 2, 3, 3, 3]
    assert set(np.bincount(numbers).tolist()) == {6, 7}


def test_folds_of_groups() -> None:
    """By hand: groups of 4, 3, 2 and 1 in two folds are 4 + 1 and 3 + 2."""
    numbers = folds(np.zeros(10, np.int64), np.array([1] * 4 + [2] * 3 + [3] * 2 + [4]), 2, 0)
    assert numbers.tolist() == [0] * 4 + [1] * 3 + [1] * 2 + [0]


@st.composite
def data_sets(draw: st.DrawFn) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return classes and groups of up to sixty pictures: four classes, some groups in several of them."""
    pairs = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), min_size=1, max_size=60))
    return np.array([label for label, _ in pairs]), np.array([group for _, group in pairs])


DATA_SETS = data_sets()
"""Four classes, some of them perhaps empty; groups of all sizes, also of several classes."""


def groups_of(classes: NDArray[np.int64], groups: NDArray[np.int64], index: int) -> set[int]:
    """Return the groups with pictures of a class."""
    return set(groups[classes == index].tolist())


@given(DATA_SETS, st.floats(0.01, 0.99), st.integers(0, 3))
def test_what_is_held_out_is_whole_groups_and_leaves_two_of_each_class(
    data: tuple[NDArray[np.int64], NDArray[np.int64]], share: float, seed: int
) -> None:
    """No group is on both sides, two groups of each class stay (or all it has), and the size is limited."""
    classes, groups = data
    counts = np.bincount(classes, minlength=4)
    if all(len(groups_of(classes, groups, index)) < 3 for index in range(4)):
        with pytest.raises(DataError, match="^no class has three pictures"):
            hold_out(classes, groups, share, seed, LABELS)
        return
    try:
        chosen = hold_out(classes, groups, share, seed, LABELS)
    except DataError:  # every group of a class with three is also in a class with two
        return
    assert not set(groups[chosen]) & set(groups[~chosen])
    for index in range(4):
        whole = groups_of(classes, groups, index)
        assert len(groups_of(classes[~chosen], groups[~chosen], index)) >= min(2, len(whole))
        apart = all(len(set(classes[groups == group])) == 1 for group in whole)
        given_up = np.flatnonzero(chosen & (classes == index))
        if apart and len(whole) >= 3:
            assert len(given_up) >= 1
        if apart and len(given_up) > max(1, np.rint(share * counts[index])):
            smallest = min(np.sum(groups == group) for group in whole)
            assert len(given_up) == smallest


@given(DATA_SETS, st.integers(2, 6), st.integers(0, 3))
def test_folds_are_whole_groups_and_spread_each_class(
    data: tuple[NDArray[np.int64], NDArray[np.int64]], count: int, seed: int
) -> None:
    """No group is in two folds, no fold is empty if there are enough groups, and two groups are in two folds."""
    classes, groups = data
    numbers = folds(classes, groups, count, seed)
    for group in set(groups.tolist()):
        assert len(set(numbers[groups == group])) == 1
    assert set(numbers) <= set(range(count))
    assert len(set(numbers)) == min(count, len(set(groups.tolist())))
    for index in range(4):
        own = [group for group in groups_of(classes, groups, index) if set(classes[groups == group]) == {index}]
        assert len(set(numbers[classes == index])) >= min(2, len(own))


@given(DATA_SETS, st.integers(0, 3), st.randoms(use_true_random=False))
def test_the_order_of_the_pictures_does_not_matter(
    data: tuple[NDArray[np.int64], NDArray[np.int64]], seed: int, random: Random
) -> None:
    """Shuffled, the same pictures are held out, and have the same folds."""
    classes, groups = data
    order = np.array(random.sample(range(len(classes)), len(classes)))
    assert (folds(classes[order], groups[order], 3, seed) == folds(classes, groups, 3, seed)[order]).all()
    try:
        chosen = hold_out(classes, groups, 0.2, seed, LABELS)
    except DataError:
        return
    assert (hold_out(classes[order], groups[order], 0.2, seed, LABELS) == chosen[order]).all()
