"""The exact lines about a small training."""

from __future__ import annotations

from dataclasses import replace

from tests.comparisons import HOSTILE
from tests.trainings import HEAD, RECORD, TRAINING, UNKNOWN

from mixer_edge_export.training.summary import format_training, head_name, threshold_line


def test_a_training_in_a_few_lines() -> None:
    """Accuracies, head, the weakest and the smallest classes, the threshold, and the advice as it is."""
    assert format_training(TRAINING).splitlines() == [
        "Held out: 82.9 % of 41 pictures are right, 95 % interval 68.7 % to 91.5 %; cross-validated: 81.2 % of 170.",
        "Head: average of 2 heads, ridge of strength 10 with the most weight on mixer_b32_sam_fe, 5 classes.",
        "Weakest classes: emu 6 of 12, crow 25 of 36, raven 27 of 38 right in cross-validation.",
        "Smallest classes: emu 12, crow 36, raven 38 pictures.",
        '"None of these" is the answer if the logit is below 5.5: for 5.0 % of the classes\' pictures, and for 61.0 % '
        "of the pictures of a class left out of the training.",
        "The first sentence.",
        "The second one: <b>.",
    ]


def test_two_classes_have_no_third() -> None:
    """All that there are, in both lines."""
    record = replace(RECORD, classes=RECORD.classes[2:4])
    lines = format_training(replace(TRAINING, record=record, unknown=None)).splitlines()
    assert lines[2:5] == [
        f"Weakest classes: emu 6 of 12, {HOSTILE} 43 of 44 right in cross-validation.",
        f"Smallest classes: emu 12, {HOSTILE} 44 pictures.",
        '"None of these" is never the answer: there is no threshold.',
    ]


def test_the_measure_in_use_is_the_one_that_is_told() -> None:
    """Its share of strangers, not that of the best one."""
    unknown = replace(UNKNOWN, measure="probability", threshold=0.41234)
    assert threshold_line(replace(TRAINING, unknown=unknown)) == (
        '"None of these" is the answer if the probability is below 0.412: for 5.0 % of the classes\' pictures, and for '
        "40.5 % of the pictures of a class left out of the training."
    )


def test_a_head_alone_has_its_own_name() -> None:
    """The kind, with its strength; class means have none."""
    assert head_name(replace(TRAINING, head=replace(HEAD, head="class means"))) == "class means"
    ridge = replace(HEAD, head="ridge", strength=0.3)
    assert head_name(replace(TRAINING, head=ridge)) == "ridge of strength 0.3"
