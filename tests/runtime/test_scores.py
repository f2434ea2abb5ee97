"""The figures of a variant, of answers made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from mixer_edge.dataset import Dataset, LabelledImage
from mixer_edge.evaluate import Evaluation, record_dtype
from mixer_edge.metrics import paired_interval
from mixer_edge.scores import Accuracy, ClassScore, Difference, score

# true class, float32's first answer, int8's first answer
ANSWERS = [
    *[(0, 0, 0)] * 6,
    *[(1, 1, 2)] * 2,  # int8 loses both pictures of class 1
    *[(2, 2, 2)] * 3,
    (2, 1, 2),  # int8 wins one of class 2
    *[(3, 4, 4), (3, 3, 3)],  # half of them wrong in both, as are three quarters of class 5
    *[(5, 0, 1)] * 3,
    (5, 5, 5),
    *[(6, 6, 1), (6, 6, 6), (6, 6, 6)],  # int8 loses one of class 6
]


def evaluated(*, labelled: bool = True) -> Evaluation:
    """Return an evaluation with these first answers; a true class is float32's second or int8's third at the latest."""
    names = ("float32", "int8")
    records = np.zeros(len(ANSWERS), record_dtype(names, 9))
    records["picture"] = np.arange(len(ANSWERS))
    for number, (truth, *firsts) in enumerate(ANSWERS):
        for name, first in zip(names, firsts, strict=True):
            others = [other for other in (7, 8, 4, 3, 2) if other not in (first, truth)]
            rest = [truth, *others] if name == "float32" else [others[0], truth, *others[1:]]
            records[name]["classes"][number] = [first, *(other for other in rest if other != first)][:5]
    records["int8"]["classes"][12] = (4, 7, 8, 0, 1)  # a picture of class 3, which is not among them
    records["int8"]["kl_divergence"] = np.arange(len(ANSWERS)) / 8
    records["int8"]["largest_difference"] = [*range(20), 3]
    images = tuple(LabelledImage(path=Path("a.png"), index=truth if labelled else None) for truth, *_ in ANSWERS)
    dataset = Dataset(folder=Path(), layout="", images=images)
    return Evaluation(dataset=dataset, names=names, records=records, unreadable=(), refuses=False, none_class=None)


def wilson(correct: int, total: int) -> object:
    """Return scipy's interval."""
    interval = stats.binomtest(correct, total).proportion_ci(0.95, method="wilson")
    return pytest.approx((interval.low, interval.high), abs=1e-12)


def test_counts_and_shares_by_hand() -> None:
    """Of 21 pictures float32 gets 16 right, int8 14, and 20 among five: three lost and one won, seven changed."""
    found = score(evaluated(), "int8", str)
    assert (found.name, found.pictures) == ("int8", 21)
    assert found.top1 == Accuracy(correct=14, share=14 / 21, interval=wilson(14, 21))  # type: ignore[arg-type]
    assert found.top5 == Accuracy(correct=20, share=20 / 21, interval=wilson(20, 21))  # type: ignore[arg-type]
    assert found.difference == Difference(
        lost=3, won=1, share=-2 / 21, interval=paired_interval(3, 1, 21), p_value=pytest.approx(0.625)
    )
    assert found.changed == 7
    assert found.agreement == Accuracy(correct=14, share=14 / 21, interval=wilson(14, 21))  # type: ignore[arg-type]
    assert found.mean_kl_divergence == pytest.approx(10 / 8)
    assert found.largest_difference == 19


def test_the_worst_classes_lost_most_then_are_recognised_least() -> None:
    """Class 1 lost two, class 6 one; then 5 with a quarter right and 3 with half; whole and better classes are none."""
    assert score(evaluated(), "int8", lambda index: f"class {index}").worst_classes == tuple(
        ClassScore(index=index, label=f"class {index}", pictures=pictures, correct=correct, reference_correct=before)
        for index, pictures, correct, before in ((1, 2, 0, 2), (6, 3, 2, 3), (5, 4, 1, 1), (3, 2, 1, 1))
    )
    assert [row.index for row in score(evaluated(), "float32", str).worst_classes] == [5, 3, 2]


def test_of_many_bad_classes_five_are_named() -> None:
    """Of equal ones those with the lowest index."""
    evaluation = evaluated()
    evaluation.records["int8"]["classes"][:, 0] = 8
    worst = score(evaluation, "int8", str).worst_classes
    assert [(row.index, row.reference_correct) for row in worst] == [(0, 6), (2, 3), (6, 3), (1, 2), (3, 1)]


def test_the_reference_differs_from_itself_by_nothing() -> None:
    """No picture is lost, won or changed."""
    found = score(evaluated(), "float32", str)
    assert (found.top1 and found.top1.correct, found.changed, found.agreement.share) == (16, 0, 1.0)
    assert found.difference is not None
    assert (found.difference.lost, found.difference.won, found.difference.share) == (0, 0, 0.0)
    assert found.difference.p_value == 1


def test_without_labels_there_is_the_agreement() -> None:
    """What needs a true class is None."""
    found = score(evaluated(labelled=False), "int8", str)
    assert (found.top1, found.top5, found.difference, found.worst_classes) == (None, None, None, ())
    assert (found.changed, found.agreement.correct) == (7, 14)
    assert found.refused is None


def refusing(*pictures: int, none_class: int | None) -> Evaluation:
    """Return the evaluation with these pictures refused by int8."""
    evaluation = replace(evaluated(), refuses=True, none_class=none_class)
    evaluation.records["int8"]["refused"][list(pictures)] = True
    return evaluation


def test_refused_pictures_are_counted_and_their_nearest_class_decides() -> None:
    """Six of 21 refused, right ones and wrong ones: every other figure is that of none refused."""
    found = score(refusing(0, 6, 7, 12, 14, 18, none_class=None), "int8", str)
    assert found.refused == Accuracy(correct=6, share=6 / 21, interval=wilson(6, 21))  # type: ignore[arg-type]
    assert replace(found, refused=None) == score(evaluated(), "int8", str)
    reference = score(refusing(0, none_class=None), "float32", str)
    assert reference.refused == Accuracy(correct=0, share=0, interval=wilson(0, 21))  # type: ignore[arg-type]


def test_a_refused_picture_of_the_class_none_is_right() -> None:
    """It counts as the label ``none`` does, among one answer and among five; of another class it is still wrong."""
    found = score(refusing(6, 14, none_class=1), "int8", str)
    assert found.top1 == Accuracy(correct=15, share=15 / 21, interval=wilson(15, 21))  # type: ignore[arg-type]
    assert found.difference is not None
    assert (found.difference.lost, found.difference.won, found.changed) == (2, 1, 7)
    assert found.worst_classes[0] == ClassScore(index=1, label="1", pictures=2, correct=1, reference_correct=2)
    assert score(refusing(12, none_class=3), "int8", str).top5 == Accuracy(correct=21, share=1, interval=wilson(21, 21))  # type: ignore[arg-type]
