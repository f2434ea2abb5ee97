"""Sentences from the figures: verdicts, the recommended variant, and whether a bound is kept."""

from __future__ import annotations

import numpy as np

from mixer_edge.dataset import Dataset, LabelledImage
from mixer_edge.evaluate import Evaluation, record_dtype
from mixer_edge.scores import Score, score
from mixer_edge_export.comparison.verdict import Candidate, check_bound, recommend, verdict


def scored(right: int, lost: int, won: int, total: int, *, labelled: bool = True) -> Score:
    """Return the score of ``int8`` on ``total`` pictures of class 0, of which float32 gets ``right`` right."""
    records = np.zeros(total, record_dtype(("float32", "int8"), 10))
    records["picture"] = np.arange(total)
    records["float32"]["classes"][right:, 0] = 1
    records["int8"]["classes"][:, 0] = records["float32"]["classes"][:, 0]
    records["int8"]["classes"][:lost, 0] = 2
    records["int8"]["classes"][right : right + won, 0] = 0
    image = LabelledImage(path=__file__, index=0 if labelled else None)  # type: ignore[arg-type]
    dataset = Dataset(folder=__file__, layout="", images=(image,) * total)  # type: ignore[arg-type]
    evaluation = Evaluation(
        dataset=dataset, names=("float32", "int8"), records=records, unreadable=(), refuses=False, none_class=None
    )
    return score(evaluation, "int8", str)


FLOAT32 = Candidate(name="float32", size_bytes=4_000_000, latency_ms=2.0, score=scored(900, 0, 0, 1000))


def candidate(name: str, size: int, latency: float, result: Score) -> Candidate:
    """Return a candidate, for short."""
    return Candidate(name=name, size_bytes=size, latency_ms=latency, score=result)


def test_a_difference_that_is_noise() -> None:
    """Three lost and one won picture in a thousand are not distinguishable."""
    int8 = candidate("int8", 1_000_000, 1.0, scored(900, 3, 1, 1000))
    assert verdict(int8, FLOAT32, FLOAT32) == (
        "int8: 0.20 points below float32, interval -0.70 to +0.20: not distinguishable (4 of 1,000 predictions "
        "changed: 3 lost, 1 won); 4.0 times smaller; 2.0 times faster here."
    )


def test_a_difference_that_is_none() -> None:
    """Forty lost and two won are worse, beyond chance."""
    int8 = candidate("int8", 3_900_000, 8.0, scored(900, 40, 2, 1000))
    assert verdict(int8, FLOAT32, FLOAT32) == (
        "int8: 3.80 points below float32, interval -5.10 to -2.60: worse (42 of 1,000 predictions changed: 40 lost, 2 "
        "won); the same size; 4.0 times slower here."
    )


def test_without_labels() -> None:
    """Without labels only the agreement is known."""
    int8 = candidate("int8", 1_000_000, 2.0, scored(900, 10, 0, 1000, labelled=False))
    assert verdict(int8, FLOAT32, FLOAT32) == (
        "int8: agrees with float32 on 99.00% of the pictures, interval 98.17% to 99.46% (10 of 1,000 predictions "
        "changed); 4.0 times smaller; as fast here."
    )


def test_the_smallest_that_keeps_its_accuracy() -> None:
    """If int8 has collapsed, the next smallest file is recommended."""
    float16 = candidate("float16", 2_000_000, 2.0, scored(900, 0, 0, 1000))
    int8 = candidate("int8", 1_000_000, 1.0, scored(900, 40, 2, 1000))
    assert recommend([FLOAT32, float16, int8], FLOAT32, None) == (
        "float16",
        "the smallest file that is shown to stay within 1 point of float32's accuracy",
    )


def test_of_files_alike_in_size_the_faster() -> None:
    """Two files within a tenth of the size: the latency decides, and the reason says so."""
    int8 = candidate("int8", 1_000_000, 1.2, scored(900, 1, 1, 1000))
    dynamic = candidate("dynamic", 1_050_000, 1.1, scored(900, 1, 1, 1000))
    assert recommend([FLOAT32, int8, dynamic], FLOAT32, 2.0) == (
        "dynamic",
        "the smallest file that is shown to stay within 2 points of float32's accuracy, and the fastest here among "
        "files of about its size (compared with int8)",
    )


def test_nothing_but_the_reference() -> None:
    """Ten pictures show nothing: the reference is recommended."""
    int8 = candidate("int8", 1_000_000, 1.0, scored(9, 0, 0, 10))
    reference = candidate("float32", 4_000_000, 2.0, scored(9, 0, 0, 10))
    assert recommend([reference, int8], reference, None) == (
        "float32",
        "no smaller file is shown to stay within 1 point of its accuracy",
    )


def test_a_bound_that_is_kept() -> None:
    """An interval within the bound holds."""
    assert check_bound(scored(900, 1, 1, 1000), "float32", 0.5) == (
        True,
        "int8 keeps within 0.5 points: its drop to float32 is 0.00 points, 95 % interval up to 0.30",
        None,
    )


def test_a_bound_that_more_pictures_would_settle() -> None:
    """An interval across the bound says how many pictures would do at the measured difference."""
    holds, reason, needed = check_bound(scored(900, 3, 1, 1000), "float32", 0.5)
    assert (holds, needed) == (False, 2778)
    assert reason == (
        "int8 is not shown to keep within 0.5 points: its drop to float32 is 0.20 points, 95 % interval up to 0.70; if "
        "the drop stays as measured, about 2,778 pictures in all would show it (1,778 more)"
    )


def test_a_bound_that_no_picture_would_settle() -> None:
    """If the measured drop is beyond the bound, more pictures do not help."""
    assert check_bound(scored(900, 40, 2, 1000), "float32", 0.5) == (
        False,
        "int8 does not keep within 0.5 points: its drop to float32 is 3.80 points, 95 % interval up to 5.10",
        None,
    )


def test_a_bound_without_labels() -> None:
    """The drop cannot exceed the share of changed predictions, so this share is compared with the bound."""
    assert check_bound(scored(900, 0, 0, 1000, labelled=False), "float32", 0.5) == (
        True,
        "int8 keeps within 0.5 points: its share of changed predictions to float32 is 0.00 points, 95 % interval up to "
        "0.38",
        None,
    )
    assert check_bound(scored(900, 8, 0, 1000, labelled=False), "float32", 0.5) == (
        False,
        "int8 does not keep within 0.5 points: its share of changed predictions to float32 is 0.80 points, 95 % "
        "interval up to 1.57",
        None,
    )
