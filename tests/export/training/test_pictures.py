"""The pictures to train on: their classes and groups, and data that cannot be trained on."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.collecting import ROW, table

from mixer_edge.errors import DataError
from mixer_edge_export.training.pictures import read_pictures


def put(folder: Path, *names: str) -> None:
    """Write files of these names; only the names matter here."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def error_of(folder: Path) -> str:
    """Return the whole message with which a folder is refused."""
    with pytest.raises(DataError) as error:
        read_pictures(folder)
    return str(error.value)


def test_class_folders(tmp_path: Path) -> None:
    """At any depth below the class, in any order on disk; the classes are sorted, and ``none`` is one like others."""
    names = ["none/b.png", "none/a/c.jpg", "cat/2.png", "cat/1.png", "dog/new/x.png", "dog/y.png"]
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        put(folder, *random.Random(seed).sample(names, len(names)), "cat/.hidden.png", "cat/notes.txt")
        pictures = read_pictures(folder)
        assert pictures.labels == ("cat", "dog", "none")
        assert [pictures.name(number) for number in range(6)] == sorted(names)
        assert (pictures.classes.tolist(), pictures.classes.dtype) == ([0, 0, 1, 1, 2, 2], np.int64)
        assert pictures.groups == (None,) * 6


def test_a_table_names_classes_and_groups(tmp_path: Path) -> None:
    """An empty entry in the column ``group`` is no group; a name begins with the class, as in class folders."""
    put(tmp_path, "a.png", "b.png", "c/c.png", "c/d.png")
    (tmp_path / "table.csv").write_text(
        "file,class,group\nc/d.png,old oak,tree 7\na.png,birch,\nb.png,birch, tree 7 \nc/c.png,old oak,9\n"
    )
    pictures = read_pictures(tmp_path)
    assert pictures.labels == ("birch", "old oak")
    assert [pictures.name(number) for number in range(4)] == [
        "birch/a.png",
        "birch/b.png",
        "old oak/c/c.png",
        "old oak/c/d.png",
    ]
    assert pictures.classes.tolist() == [0, 0, 1, 1]
    assert pictures.groups == (None, "tree 7", "9", "tree 7")


def test_collected_pictures(tmp_path: Path) -> None:
    """Those without a class are left out, a burst is a group, and a folder's name is read as that of its class."""
    rows = [
        replace(ROW, file=f"{folder}/{digit * 64}.jpg", sha256=digit * 64, time=f"2026-05-04T03:02:{second}.000Z")
        for folder, digit, second in (
            ("a%2Fb", "1", "00"),
            ("a%2Fb", "2", "20"),
            ("c", "3", "25"),
            ("unsorted", "4", "26"),
        )
    ]
    put(tmp_path, *(row.file for row in rows), "c/own.png")
    (tmp_path / "collected.csv").write_text(table(*rows))
    pictures = read_pictures(tmp_path)
    assert pictures.labels == ("a/b", "c")
    assert [pictures.name(number) for number in range(4)] == [*(row.file for row in rows[:3]), "c/own.png"]
    assert pictures.groups == (f"garden {'1' * 64}", f"garden {'1' * 64}", f"garden {'3' * 64}", None)


def test_a_class_that_no_folder_can_be_called(tmp_path: Path) -> None:
    """In a table it may have any name; the links to its pictures are in a folder whose name leads back to it."""
    put(tmp_path, "a.png", "b.png", "c.png", "a/d.png")
    (tmp_path / "table.csv").write_text("file,class\na.png,..\nb.png,..\nc.png,a/b\na/d.png,a/b\n")
    pictures = read_pictures(tmp_path)
    assert pictures.labels == ("..", "a/b")
    assert [pictures.name(number) for number in range(4)] == [
        "a%2Fb/a/d.png",
        "%2E./a.png",
        "%2E./b.png",
        "a%2Fb/c.png",
    ]


def test_a_thousand_classes_and_no_more(tmp_path: Path) -> None:
    """As many as the published models have; one more is refused with the number that was found."""
    put(tmp_path, *(f"{index:04}/{name}.png" for index in range(1000) for name in "ab"))
    pictures = read_pictures(tmp_path)
    assert len(pictures.labels) == 1000
    assert pictures.classes.tolist() == [index // 2 for index in range(2000)]
    put(tmp_path, "1000/a.png", "1000/b.png")
    assert error_of(tmp_path) == (
        f"{tmp_path}: 1,001 classes ('0000', '0001', '0002', '0003', '0004' and 996 more); expected at most 1,000: "
        "is it the right folder or column?"
    )


def test_one_class(tmp_path: Path) -> None:
    """Its folders may be the classes; the message then says which folder to choose."""
    put(tmp_path, "photos/a.png", "photos/b.png")
    expected = f"{tmp_path}: all pictures are of one class, 'photos'; expected at least 2 classes"
    assert error_of(tmp_path) == expected
    (tmp_path / "photos" / "a.png").unlink()
    (tmp_path / "photos" / "b.png").unlink()
    put(tmp_path, "photos/cat/a.png", "photos/dog/b.png")
    assert error_of(tmp_path) == f"{expected}; if 'cat', 'dog' are the classes, choose {tmp_path}/photos"
    (tmp_path / "table.csv").write_text("file,class\nphotos/cat/a.png,pet\nphotos/dog/b.png,pet\n")
    assert error_of(tmp_path) == f"{tmp_path}: all pictures are of one class, 'pet'; expected at least 2 classes"


def test_parts_of_a_data_set_are_no_classes(tmp_path: Path) -> None:
    """Folders called train and test are one level too high; in a table these are names like any other."""
    put(tmp_path, "train/cat/a.png", "train/dog/b.png", "Test/cat/c.png", "Test/dog/d.png")
    assert error_of(tmp_path) == (
        f"{tmp_path}: 'Test', 'train' are parts of a data set, not classes; choose one of them: {tmp_path}/Test"
    )
    rows = ["train/cat/a.png,train", "train/dog/b.png,train", "Test/cat/c.png,test", "Test/dog/d.png,test"]
    (tmp_path / "table.csv").write_text("\n".join(["file,class", *rows]))
    assert read_pictures(tmp_path).labels == ("test", "train")


def test_a_class_with_one_picture(tmp_path: Path) -> None:
    """The first five such classes are named."""
    put(tmp_path, "cat/a.png", "cat/b.png", "dog/a.png")
    advice = "expected at least 2 of each, better 20; add pictures, or remove these classes"
    assert error_of(tmp_path) == f"{tmp_path}: classes with a single picture: 'dog'; {advice}"
    put(tmp_path, *(f"{name}/a.png" for name in "abcdef"))
    assert error_of(tmp_path) == (
        f"{tmp_path}: classes with a single picture: 'a', 'b', 'c', 'd', 'dog' and 2 more; {advice}"
    )


@pytest.mark.parametrize(
    "names", [("Cat", "cat"), ("big_cat", "big cat"), ("cat", "cat, house cat"), ("Straße", "strasse")]
)
def test_names_that_a_bundle_could_not_tell_apart(tmp_path: Path, names: tuple[str, str]) -> None:
    """Case and underscores do not count in a bundle's labels, and a comma separates the names of one class."""
    put(tmp_path, "dog/a.png", "dog/b.png", *(f"{name}/{file}.png" for name in names for file in "ab"))
    first, second = sorted(names)
    assert error_of(tmp_path) == (
        f"{tmp_path}: the classes {first!r}, {second!r} have the same name, because case and _ do not count and a "
        "comma separates names; rename or merge them"
    )


@pytest.mark.parametrize("name", ["two\nlines", " ", "\udcff"])
def test_a_name_that_is_no_line_of_text(tmp_path: Path, name: str) -> None:
    """Line breaks, only spaces, and bytes that are no text: ``labels.txt`` has one line for each class."""
    put(tmp_path, "dog/a.png", "dog/b.png", f"{name}/a.png", f"{name}/b.png")
    assert error_of(tmp_path) == (
        f"{tmp_path}: the class name {name!r} is not a line of text; give this class another name"
    )


def test_a_table_with_a_picture_without_a_class(tmp_path: Path) -> None:
    """An empty class is not a class of its own."""
    put(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "table.csv").write_text("file,class\na.png,cat\nb.png,cat\nc.png,\n")
    assert error_of(tmp_path) == f"{tmp_path}: the class name '' is not a line of text; give this class another name"


def test_pictures_without_classes(tmp_path: Path) -> None:
    """A flat folder, ImageNet's validation pictures with their ground truth, loose pictures, none at all, no folder."""
    put(tmp_path / "flat", "a.png", "b.png")
    put(tmp_path / "imagenet", "ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000002.JPEG", "val.txt")
    for name in ("flat", "imagenet"):
        folder = tmp_path / name
        assert error_of(folder) == (
            f"{folder}: 2 pictures without a class; expected {folder}/<class>/<picture>, or a CSV file with the "
            "columns file and class"
        )
    put(tmp_path / "loose", "cat/a.png", "b.png")
    assert error_of(tmp_path / "loose") == (
        f"{tmp_path}/loose/b.png: 1 of 2 pictures are in no class folder; expected {tmp_path}/loose/<label>/<picture>"
    )
    (tmp_path / "empty").mkdir()
    assert error_of(tmp_path / "empty").startswith(f"{tmp_path}/empty: no pictures in it; expected files ending in ")
    assert error_of(tmp_path / "none") == f"{tmp_path}/none: no such folder; expected a folder of pictures"
