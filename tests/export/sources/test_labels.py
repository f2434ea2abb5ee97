"""ImageNet's labels and label files."""

from pathlib import Path

import pytest

from mixer_edge.errors import DataError
from mixer_edge_export.sources.labels import imagenet_labels, read_labels


def test_imagenet_labels_stand_in_the_order_of_the_outputs() -> None:
    """A thousand lines with ascending wnids: a class is the rank of its wnid; equal names have different wnids."""
    labels = imagenet_labels()
    wnids = [line.split(" ")[0] for line in labels]
    assert len(labels) == 1000
    assert wnids == sorted(set(wnids))
    known = {
        0: "n01440764 tench, Tinca tinca",
        134: "n02012849 crane",
        388: "n02510455 giant panda, panda, panda bear, coon bear, Ailuropoda melanoleuca",
        517: "n03126707 crane",
        638: "n03710637 maillot",
        639: "n03710721 maillot, tank suit",
        999: "n15075141 toilet tissue, toilet paper, bathroom tissue",
    }
    assert {index: labels[index] for index in known} == known


def test_a_label_file_has_one_line_per_class(tmp_path: Path) -> None:
    """Lines are returned unchanged; ``imagenet`` means the included ones."""
    path = tmp_path / "labels.txt"
    path.write_text("ant\ncafé\n", "utf-8")
    assert read_labels(path, 2) == ("ant", "café")
    assert read_labels(Path("imagenet"), 1000) == imagenet_labels()


@pytest.mark.parametrize(
    ("content", "classes", "message"),
    [
        (b"ant\n", 2, "1 lines for 2 classes; expected one label on each line"),
        (b"ant\n\nbee\n", 3, "3 lines for 3 classes; expected one label on each line"),
        (b"ant\n", None, "a feature extractor has no classes to label; omit the labels"),
    ],
)
def test_a_label_file_that_does_not_fit_is_refused(
    tmp_path: Path, content: bytes, classes: int | None, message: str
) -> None:
    """The message says how many lines there are and how many classes."""
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(DataError) as raised:
        read_labels(path, classes)
    assert str(raised.value) == f"{path}: {message}"
