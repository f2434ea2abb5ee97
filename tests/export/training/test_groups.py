"""Which pictures belong together, and for which reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mixer_edge.errors import DataError
from mixer_edge.nearly_equal import THUMBNAIL
from mixer_edge_export.training.features import Features
from mixer_edge_export.training.groups import find_groups
from mixer_edge_export.training.pictures import Pictures
from mixer_edge_export.training.record import Together
from mixer_edge_export.training.split import check_held_out

FOLDER = Path("data")


def made(
    classes: str,
    *,
    digests: str | None = None,
    taken: dict[int, float] | None = None,
    groups: dict[int, str] | None = None,
    folder: Path = FOLDER,
    seed: int = 0,
) -> tuple[Pictures, Features]:
    """Return pictures a/0.png, a/1.png ... of the classes ``a``, ``b`` ..., all different unless digests say otherwise.

    Pictures with equal letters in ``digests`` have equal pixels; the thumbnails are noise.
    """
    count = len(classes)
    labels = tuple(sorted(set(classes)))
    keys = digests or "".join(chr(ord("A") + number) for number in range(count))
    noise = {
        key: np.random.default_rng([seed, ord(key)]).integers(0, 256, (THUMBNAIL, THUMBNAIL), np.uint8) for key in keys
    }
    pictures = Pictures(
        folder=folder,
        labels=labels,
        paths=tuple(folder / label / f"{number}.png" for number, label in enumerate(classes)),
        classes=np.array([labels.index(label) for label in classes]),
        groups=tuple((groups or {}).get(number) for number in range(count)),
    )
    features = Features(
        values=np.zeros((count, 4), np.float32),
        digests=tuple(keys),
        thumbnails=np.stack([noise[key] for key in keys]),
        taken=tuple((taken or {}).get(number) for number in range(count)),
        rows=np.arange(count),
        unreadable=(),
    )
    return pictures, features


def test_pictures_of_their_own() -> None:
    """Nothing belongs together: a number for each, in their order, and the digests as keys."""
    groups = find_groups(*made("aabb"))
    assert (groups.numbers.tolist(), groups.keys.tolist(), groups.together) == ([0, 1, 2, 3], ["A", "B", "C", "D"], ())


def test_equal_pixels() -> None:
    """Copies are one group, also those in another class: there the labels contradict each other."""
    groups = find_groups(*made("aaabbb", digests="XYXZXW"))
    assert groups.numbers.tolist() == [0, 1, 0, 2, 0, 3]
    assert groups.keys.tolist() == ["X", "Y", "X", "Z", "X", "W"]
    assert groups.together == (
        Together(reason="equal pixels", files=("a/0.png", "a/2.png", "b/4.png"), labels=("a", "b")),
    )


def brightened(features: Features, *rows: int) -> Features:
    """Return the features with pictures that are brighter copies of those before them."""
    thumbnails = features.thumbnails // 4
    for row in rows:
        thumbnails[row] = thumbnails[row - 1] + 40
    return replace(features, thumbnails=thumbnails)


def test_nearly_equal_pictures() -> None:
    """Three copies in a row are one group of two classes; of a picture with equal pixels only the first is listed."""
    pictures, features = made("aaabbba", digests="XYZVWXU")
    groups = find_groups(pictures, brightened(features, 1, 2, 3))
    assert groups.numbers.tolist() == [0, 0, 0, 0, 1, 0, 2]
    assert groups.together == (
        Together(reason="equal pixels", files=("a/0.png", "b/5.png"), labels=("a", "b")),
        Together(reason="nearly equal", files=("a/0.png", "a/1.png", "a/2.png", "b/3.png"), labels=("a", "b")),
    )


def test_bursts() -> None:
    """Each within 2 seconds of the one before it, in one class, in any order of the files; not without a time."""
    taken = {0: 12.0, 1: 10.0, 2: 14.0, 3: 16.01, 5: 16.5, 6: 11.0, 7: 18.5}
    groups = find_groups(*made("aaaaabbb", taken=taken))
    assert groups.numbers.tolist() == [0, 0, 0, 1, 2, 3, 4, 3]
    assert groups.together == (
        Together(reason="taken together", files=("a/0.png", "a/1.png", "a/2.png"), labels=("a",)),
        Together(reason="taken together", files=("b/5.png", "b/7.png"), labels=("b",)),
    )


def test_the_tables_groups() -> None:
    """They join pictures of any class, and where there is one, the time does not count."""
    taken = {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0}
    groups = find_groups(*made("aaaabb", taken=taken, groups={0: "x", 1: "y", 5: "x"}))
    assert groups.numbers.tolist() == [0, 1, 2, 2, 3, 0]
    assert groups.together == (
        Together(reason="taken together", files=("a/2.png", "a/3.png"), labels=("a",)),
        Together(reason="group column", files=("a/0.png", "b/5.png"), labels=("a", "b")),
    )


def test_reasons_join_groups() -> None:
    """A copy of a picture in a burst is in one group with the whole burst; the key is the first digest."""
    groups = find_groups(*made("aaaabb", digests="QRQPST", taken={0: 1.0, 1: 2.0}))
    assert groups.numbers.tolist() == [0, 0, 0, 1, 2, 3]
    assert groups.keys.tolist() == ["Q", "Q", "Q", "P", "S", "T"]
    assert [(group.reason, group.files) for group in groups.together] == [
        ("equal pixels", ("a/0.png", "a/2.png")),
        ("taken together", ("a/0.png", "a/1.png")),
    ]


def test_unreadable_pictures_have_no_group() -> None:
    """The numbers are those of the pictures that could be read, and files are named rightly."""
    pictures, features = made("aaabb", digests="XYXZW")
    keep = np.array([0, 2, 3, 4])
    part = Features(
        values=features.values[keep],
        digests=("X", "X", "Z", "W"),
        thumbnails=features.thumbnails[keep],
        taken=(None,) * 4,
        rows=keep,
        unreadable=("data/1.png: is empty, expected a picture",),
    )
    with pytest.raises(DataError) as error:
        find_groups(pictures, part)
    assert str(error.value) == (
        "data: all 2 pictures of 'a' belong together (equal pixels, such as a/0.png, a/2.png), so none can be tested "
        "on; add pictures that were taken separately"
    )


def test_a_class_in_one_group() -> None:
    """All reasons are named, and the first files of the first."""
    with pytest.raises(DataError) as error:
        find_groups(*made("aaaaaaabb", taken=dict.fromkeys(range(1, 7), 5.0), groups={}, digests="AABCDEFXY"))
    assert str(error.value) == (
        "data: all 7 pictures of 'a' belong together (equal pixels and taken together, such as a/0.png, a/1.png), so "
        "none can be tested on; add pictures that were taken separately"
    )


def test_held_out_pictures_that_were_trained_on() -> None:
    """Equal and nearly equal ones are found in any class, and the first of them named."""
    trained = made("aabb", digests="ABCD")
    check_held_out(*trained, *made("ab", digests="XY", folder=Path("test")))
    with pytest.raises(DataError) as error:
        check_held_out(*trained, *made("aabb", digests="XDYB", folder=Path("test")))
    assert str(error.value) == (
        "test: 2 of 4 pictures to hold out are equal or nearly equal to some in data (a/1.png and "
        "b/3.png, b/3.png and a/1.png); remove them from one of the folders"
    )
    pictures, features = made("ab", digests="XY", folder=Path("test"))
    features.thumbnails[0] = trained[1].thumbnails[2] // 2 + 60
    with pytest.raises(DataError) as error:
        check_held_out(*trained, pictures, features)
    assert str(error.value) == (
        "test: 1 of 2 pictures to hold out are equal or nearly equal to some in data (a/0.png and b/2.png); remove "
        "them from one of the folders"
    )
