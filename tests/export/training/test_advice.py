"""The exact sentences for figures that say something, and for those that say nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.trainings import RECORD

from mixer_edge_export.training.advice import advice
from mixer_edge_export.training.record import ClassRecord, CurvePoint, MeasureResult, Suspect, Together


def item(label: str, pictures: int, correct: int, held_out: int = 200, held_out_correct: int = 190) -> ClassRecord:
    """Return a class; with 200 pictures held out their interval is narrow."""
    return ClassRecord(
        label=label, pictures=pictures, correct=correct, held_out=held_out, held_out_correct=held_out_correct
    )


def point(pictures: float, accuracy: float, spread: float = 0.01) -> CurvePoint:
    """Return a point of the curve, ``spread`` above and below."""
    return CurvePoint(pictures_per_class=pictures, accuracy=accuracy, low=accuracy - spread, high=accuracy + spread)


GOOD = replace(
    RECORD,
    classes=(item("a", 40, 38), item("b", 40, 39)),
    confusion=((38, 2), (1, 39)),
    curve=(),
    together=(),
    suspects=(),
    measures=(),
)
"""Figures of which nothing is to be said."""
NOTHING = "Nothing else stands out: no label looks wrong, no class is weak or too much like another."


def test_good_figures_need_nothing() -> None:
    """One sentence, after the one about the curve if there is a curve."""
    assert advice(GOOD) == (NOTHING,)
    assert advice(replace(GOOD, curve=(point(20, 0.955), point(40, 0.96)))) == (
        "More pictures of every class will hardly help: from 20 to 40 per class the accuracy changes by +0.5 points.",
        NOTHING,
    )


def test_the_first_five_are_said() -> None:
    """Of the small training all but the last two apply: what is wrong comes before what is missing."""
    assert advice(RECORD) == (
        "1 picture is in several classes (crow/0001.jpg = raven/0002.jpg: crow and raven): correct the labels and "
        "train again.",
        "2 labels look wrong (crow/0003.jpg is crow, more likely raven): check them.",
        "41 held-out pictures say little: the accuracy is anywhere from 69 % to 91 %; about 164 of them (4 times as "
        "many pictures in all) would halve this range.",
        "More pictures will help: from 17 to 34 per class the accuracy changes by +4.7 points.",
        "Take pictures of the weak classes first: emu (6 of 12 right); 81 % are right over all.",
    )


@pytest.mark.parametrize(
    ("curve", "sentence"),
    [
        (
            (point(5, 0.7), point(10, 0.8), point(20, 0.83)),
            "More pictures will help: from 10 to 20 per class the accuracy changes by +3.0 points.",
        ),
        (
            (point(5, 0.7), point(11, 0.8, 0.04), point(20, 0.83)),
            "More pictures may help: from 11 to 20 per class the accuracy changes by +3.0 points, but other pictures "
            "of the same number by 4.0.",
        ),
        (
            (point(10, 0.8), point(40, 0.815)),
            "More pictures of every class will hardly help: from 10 to 40 per class the accuracy changes by +1.5 "
            "points.",
        ),
        (
            (point(20, 0.83), point(40, 0.82)),
            "More pictures of every class will hardly help: from 20 to 40 per class the accuracy changes by -1.0 "
            "points.",
        ),
    ],
)
def test_the_curve_says_whether_more_pictures_help(curve: tuple[CurvePoint, ...], sentence: str) -> None:
    """The end is compared with about half as many pictures: the rise with the spread, and per doubling with a point."""
    assert advice(replace(GOOD, curve=curve))[0] == sentence


def test_a_curve_of_one_point_says_nothing() -> None:
    """There is nothing to compare with."""
    assert advice(replace(GOOD, curve=(point(4, 0.5),))) == (NOTHING,)


def test_pictures_taken_together_may_show_different_things() -> None:
    """Only equal and nearly equal pictures in several classes are a contradiction."""
    groups = [
        Together(reason=reason, files=(f"a/{reason}.jpg", f"b/{reason}.jpg"), labels=("a", "b"))
        for reason in ("taken together", "group column", "nearly equal", "equal pixels")
    ]
    assert advice(replace(GOOD, together=groups[:2])) == (NOTHING,)
    assert advice(replace(GOOD, together=groups)) == (
        "2 pictures are in several classes (a/nearly equal.jpg = b/nearly equal.jpg: a and b): correct the labels and "
        "train again.",
    )


def test_one_label_that_looks_wrong() -> None:
    """The singular."""
    suspect = Suspect(file="a/1.jpg", label="a", likely="b", probability=0.1)
    assert advice(replace(GOOD, suspects=(suspect,))) == (
        "1 label looks wrong (a/1.jpg is a, more likely b): check them.",
    )


def test_a_weak_class_with_many_pictures_needs_no_more_of_them() -> None:
    """Weak are classes whose whole interval is below the overall accuracy; at most three, the worst first."""
    even = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    classes = (item("a", 100, 60), item("b", 60, 58), item("c", 60, 59))
    assert advice(replace(GOOD, classes=classes, confusion=even)) == (NOTHING,)
    classes = (item("a", 900, 900), item("b", 66, 65), item("c", 6, 6))
    assert advice(replace(GOOD, classes=classes, confusion=even)) == (
        "The classes are uneven: a has 900 pictures and c 6; take more of the small ones.",
    )
    classes = (item("a", 100, 99), item("b", 60, 40), item("c", 60, 35))
    assert advice(replace(GOOD, classes=classes, confusion=even)) == (
        "Take pictures of the weak classes first: c (35 of 60 right), b (40 of 60 right); 79 % are right over all.",
    )


def test_two_classes_that_are_taken_for_each_other() -> None:
    """Both directions count; the pair whose share is the largest for sure is named."""
    classes = (item("a", 50, 40), item("b", 50, 42), item("c", 50, 45))
    confusion = ((40, 8, 2), (6, 42, 2), (3, 2, 45))
    assert advice(replace(GOOD, classes=classes, confusion=confusion)) == (
        "a and b are too much alike: 14 of their 100 pictures are taken for the other; join the two, or show in the "
        "pictures what tells them apart.",
    )


def test_uneven_classes() -> None:
    """Three times as many is even, more is not."""
    classes = (item("a", 60, 57), item("b", 20, 19))
    confusion = ((57, 3), (1, 19))
    assert advice(replace(GOOD, classes=classes, confusion=confusion)) == (NOTHING,)
    classes = (item("a", 61, 58), item("b", 20, 19))
    assert advice(replace(GOOD, classes=classes, confusion=confusion)) == (
        "The classes are uneven: a has 61 pictures and b 20; take more of the small ones.",
    )


def test_strangers_that_are_not_refused() -> None:
    """The best measure refuses less than half of them."""
    weak, good = (MeasureResult(measure="logit", auroc=0.8, strangers_refused=strangers) for strangers in (0.38, 0.5))
    assert advice(replace(GOOD, measures=(good, weak))) == (NOTHING,)
    assert advice(replace(GOOD, measures=(weak, good))) == (
        'Do not rely on "none of these": it refuses only 38 % of the pictures of a class left out of the training.',
    )
