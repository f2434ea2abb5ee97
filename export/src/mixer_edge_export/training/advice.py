"""What the figures of a training say: whether more pictures help, of which classes, and what is wrong with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import median

from mixer_edge.metrics import wilson_interval
from mixer_edge_export.training.record import ClassRecord, CurvePoint, MeasureResult, Suspect, Together, TrainingRecord

SENTENCES = 5
"""Largest number of sentences."""
WIDE = 0.2
"""Width of the held-out accuracy's interval above which more pictures are needed to judge the model."""
FLAT = 0.01
"""Gain in accuracy by twice as many pictures that is not worth taking them."""
ALIKE = 0.05
"""Share of two classes' pictures taken for the other class; the two are named if its whole interval is above."""
WEAK = 0.05
"""How far a class's accuracy is below that over all classes, at least, for the class to be named."""
UNEVEN = 3
"""Times fewer pictures than the largest class, beyond which a class is named."""


def advice(record: TrainingRecord) -> tuple[str, ...]:
    """Return at most five sentences about a record, whose own advice does not matter; the most important first."""
    growth, enough = _growth(record.curve)
    sentences = [
        *_contradictions(record.together),
        *_suspects(record.suspects),
        *_held_out(record.classes),
        *growth,
        *_weak(record.classes),
        *_alike(record.classes, record.confusion),
        *_uneven(record.classes),
        *_strangers(record.measures),
    ]
    if not sentences or (enough and sentences == growth):
        sentences.append("Nothing else stands out: no label looks wrong, no class is weak or too much like another.")
    return tuple(sentences[:SENTENCES])


def _contradictions(together: Sequence[Together]) -> list[str]:
    found = [group for group in together if group.contradictory]
    if not found:
        return []
    some = "1 picture is" if len(found) == 1 else f"{len(found)} pictures are"
    first = f"{' = '.join(found[0].files[:2])}: {' and '.join(found[0].labels)}"
    return [f"{some} in several classes ({first}): correct the labels and train again."]


def _suspects(suspects: Sequence[Suspect]) -> list[str]:
    if not suspects:
        return []
    some = "1 label looks" if len(suspects) == 1 else f"{len(suspects)} labels look"
    first = suspects[0]
    return [f"{some} wrong ({first.file} is {first.label}, more likely {first.likely}): check them."]


def _held_out(classes: Sequence[ClassRecord]) -> list[str]:
    """Return what too few held-out pictures mean; an interval's width shrinks with the square root of their number."""
    pictures = sum(item.held_out for item in classes)
    low, high = wilson_interval(sum(item.held_out_correct for item in classes), pictures)
    if high - low <= WIDE:
        return []
    return [
        f"{pictures} held-out pictures say little: the accuracy is anywhere from {_percent(low)} to {_percent(high)}; "
        f"about {4 * pictures} of them (4 times as many pictures in all) would halve this range."
    ]


def _growth(curve: Sequence[CurvePoint]) -> tuple[list[str], bool]:
    """Return what the last doubling of the pictures brought, and whether that is too little for more of them."""
    if len(curve) < 2:
        return [], False
    last = curve[-1]
    half = min(curve[:-1], key=lambda point: abs(math.log2(last.pictures_per_class / point.pictures_per_class) - 1))
    gain = last.accuracy - half.accuracy
    spread = max(point.high - point.low for point in (half, last)) / 2
    doublings = math.log2(last.pictures_per_class / half.pictures_per_class)
    rise = (
        f"from {half.pictures_per_class:.0f} to {last.pictures_per_class:.0f} per class the accuracy changes by "
        f"{100 * gain:+.1f} points"
    )
    if gain / doublings < FLAT:
        return [f"More pictures of every class will hardly help: {rise}."], True
    if gain > spread:
        return [f"More pictures will help: {rise}."], False
    return [f"More pictures may help: {rise}, but other pictures of the same number by {100 * spread:.1f}."], False


def _weak(classes: Sequence[ClassRecord]) -> list[str]:
    """Return the classes with few pictures whose whole interval is below the accuracy over all classes."""
    overall = sum(item.correct for item in classes) / sum(item.pictures for item in classes)
    middle = median(item.pictures for item in classes)
    weak = [
        item
        for item in classes
        if item.pictures <= middle
        and item.correct / item.pictures < overall - WEAK
        and wilson_interval(item.correct, item.pictures)[1] < overall
    ]
    if not weak:
        return []
    worst = sorted(weak, key=lambda item: item.correct / item.pictures)[:3]
    named = ", ".join(f"{item.label} ({item.correct} of {item.pictures} right)" for item in worst)
    return [f"Take pictures of the weak classes first: {named}; {_percent(overall)} are right over all."]


def _alike(classes: Sequence[ClassRecord], confusion: Sequence[Sequence[int]]) -> list[str]:
    """Return the two classes of which the largest share of pictures is taken for the other, if it is large for sure."""

    def mistaken(first: int, second: int) -> tuple[int, int]:
        pictures = classes[first].pictures + classes[second].pictures
        return confusion[first][second] + confusion[second][first], pictures

    first, second = max(combinations(range(len(classes)), 2), key=lambda pair: wilson_interval(*mistaken(*pair))[0])
    count, pictures = mistaken(first, second)
    if wilson_interval(count, pictures)[0] < ALIKE:
        return []
    return [
        f"{classes[first].label} and {classes[second].label} are too much alike: {count} of their {pictures} pictures "
        "are taken for the other; join the two, or show in the pictures what tells them apart."
    ]


def _uneven(classes: Sequence[ClassRecord]) -> list[str]:
    most, least = (choose(classes, key=lambda item: item.pictures) for choose in (max, min))
    if most.pictures <= UNEVEN * least.pictures:
        return []
    return [
        f"The classes are uneven: {most.label} has {most.pictures} pictures and {least.label} {least.pictures}; "
        "take more of the small ones."
    ]


def _strangers(measures: Sequence[MeasureResult]) -> list[str]:
    if not measures or measures[0].strangers_refused >= 0.5:
        return []
    return [
        f'Do not rely on "none of these": it refuses only {_percent(measures[0].strangers_refused)} of the pictures '
        "of a class left out of the training."
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
