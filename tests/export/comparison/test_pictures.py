"""Changed pictures, copies and confusions, of records made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import LABELS

from mixer_edge.bundle import Bundle
from mixer_edge.classifier import Category
from mixer_edge.dataset import Dataset, LabelledImage
from mixer_edge.evaluate import Evaluation, record_dtype
from mixer_edge_export.comparison import pictures
from mixer_edge_export.comparison.pictures import changed_pictures, confusions, duplicates
from mixer_edge_export.comparison.types import ChangedPicture, Confusion

NAMES = ("float32", "float16", "int8")
# true class, and the first answers of float32, float16 and int8
ANSWERS = [
    (0, (0, 0, 1)),  # int8 loses it
    (0, (2, 2, 2)),  # wrong, and all agree
    (1, (2, 2, 1)),  # int8 wins it
    (1, (2, 3, 3)),  # wrong before and after
    (2, (2, 0, 3)),  # both lose it
    (3, (2, 2, 1)),  # wrong before and after
]


@pytest.fixture
def bundle(tiny_bundle: Path) -> Bundle:
    """A bundle, for its labels."""
    return Bundle.open(tiny_bundle)


def evaluated(*, labelled: bool = True) -> Evaluation:
    """Return what was answered to the pictures 0.png, 1.png ... in the folder ``data``."""
    records = np.zeros(len(ANSWERS), record_dtype(NAMES, len(LABELS)))
    records["picture"] = np.arange(len(ANSWERS))
    records["pixels"] = [bytes([number]) * 32 for number in range(len(ANSWERS))]
    for number, (_, firsts) in enumerate(ANSWERS):
        for name, first in zip(NAMES, firsts, strict=True):
            records[name]["classes"][number] = [first, *(other for other in range(6) if other != first)][:5]
    for name in NAMES:
        records[name]["probabilities"] = (0.54321, 0.2, 0.1, 0.05, 0.05)
    # how far each picture's outputs are from the reference's
    records["float16"]["kl_divergence"] = [0.1, 0.9, 0.1, 0.1, 0.8, 0.0]
    records["int8"]["kl_divergence"] = [0.2, 0.0, 0.5, 0.7, 0.1, 0.5]
    images = tuple(
        LabelledImage(path=Path(f"data/{number}.png"), index=truth if labelled else None)
        for number, (truth, _) in enumerate(ANSWERS)
    )
    return Evaluation(
        dataset=Dataset(folder=Path("data"), layout="", images=images),
        names=NAMES,
        records=records,
        unreadable=(),
        refuses=False,
        none_class=None,
    )


def test_changed_pictures_come_by_how_far_their_outputs_moved(bundle: Bundle) -> None:
    """The largest distance of any variant first, ties by file name; pictures on which all agree are not included."""
    count, found = changed_pictures(evaluated(), bundle)
    assert count == 5
    assert [(picture.file, picture.truth, picture.changes) for picture in found] == [
        ("4.png", "café", {"float16": "lost", "int8": "lost"}),
        ("3.png", "bird", {"float16": "changed", "int8": "changed"}),
        ("2.png", "bird", {"int8": "won"}),
        ("5.png", "dog", {"int8": "changed"}),
        ("0.png", "airplane", {"int8": "lost"}),
    ]
    assert found[-1] == ChangedPicture(
        file="0.png",
        truth="airplane",
        answers={
            name: tuple(
                Category(index=index, label=LABELS[index], probability=share)
                for index, share in zip(order, (0.5432, 0.2, 0.1), strict=True)
            )
            for name, order in (("float32", (0, 1, 2)), ("float16", (0, 1, 2)), ("int8", (1, 0, 2)))
        },
        changes={"int8": "lost"},
    )


def test_a_large_gallery_is_cut(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are counted, and those that changed most are shown."""
    monkeypatch.setattr(pictures, "GALLERY", 2)
    count, found = changed_pictures(evaluated(), bundle)
    assert (count, [picture.file for picture in found]) == (5, ["4.png", "3.png"])


def test_without_labels_nothing_is_lost_or_won(bundle: Bundle) -> None:
    """Every change has the kind ``changed``."""
    _, found = changed_pictures(evaluated(labelled=False), bundle)
    assert [(picture.file, picture.truth, picture.changes) for picture in found[:3]] == [
        ("4.png", None, {"float16": "changed", "int8": "changed"}),
        ("3.png", None, {"float16": "changed", "int8": "changed"}),
        ("2.png", None, {"int8": "changed"}),
    ]
    assert {(pair.lost, pair.won) for pair in confusions(evaluated(labelled=False), bundle)} == {(0, 0)}


def test_a_refused_picture_of_the_class_none_is_right(bundle: Bundle) -> None:
    """Before int8 lost two and won one; it refuses 4.png of the class café, so this one is not lost."""
    evaluation = replace(evaluated(), refuses=True, none_class=2)
    evaluation.records["int8"]["refused"][4] = True
    _, found = changed_pictures(evaluation, bundle)
    assert (found[0].file, found[0].changes) == ("4.png", {"float16": "lost", "int8": "changed"})
    pairs = {(pair.before, pair.after): pair.lost for pair in confusions(evaluation, bundle) if pair.variant == "int8"}
    assert pairs == {("café", "bird"): 0, ("café", "dog"): 0, ("airplane", "bird"): 1}


def test_confusions_are_counted_for_each_variant(bundle: Bundle) -> None:
    """The most frequent first, then by class; how many of them were right before, and are right now."""

    def pair(variant: str, before: str, after: str, count: int, lost: int, won: int) -> Confusion:
        return Confusion(variant=variant, before=before, after=after, count=count, lost=lost, won=won)

    assert confusions(evaluated(), bundle) == (
        pair("float16", "café", "airplane", 1, 1, 0),
        pair("float16", "café", "dog", 1, 0, 0),
        pair("int8", "café", "bird", 2, 0, 1),
        pair("int8", "café", "dog", 2, 1, 0),
        pair("int8", "airplane", "bird", 1, 1, 0),
    )


def test_copies_are_files_of_equal_pixels() -> None:
    """Sorted by name, in groups and among them; a picture of its own is in none."""
    evaluation = evaluated()
    evaluation.records["pixels"] = [bytes([number]) * 32 for number in (7, 5, 7, 4, 5, 7)]
    assert duplicates(evaluation) == (("0.png", "2.png", "5.png"), ("1.png", "4.png"))
    assert duplicates(replace(evaluation, records=evaluation.records[:2])) == ()
