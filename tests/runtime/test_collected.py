"""Collected pictures: their classes are their folders', what nobody has sorted is left out, bursts stay together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.collecting import ROW, sha256, table

from mixer_edge.collected import Row, read_rows
from mixer_edge.dataset import find_images, open_dataset, read_names
from mixer_edge.errors import DataError
from mixer_edge.standard_error import shown_log


def put(folder: Path, place: str, content: bytes, **facts: str) -> Row:
    """Write a picture into a folder under its checksum, and return its row."""
    file = f"{place}/{sha256(content)}.jpg"
    (folder / place).mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(content)
    return replace(ROW, file=file, sha256=sha256(content), **facts)


def test_folders_decide_and_unsorted_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The user has moved a picture and put one of the own beside it: the table does not know, and is no class list."""
    rows = [put(tmp_path, "and%2For", b"1"), put(tmp_path, "cat", b"2"), put(tmp_path, "unsorted", b"3")]
    (tmp_path / "collected.csv").write_text(table(replace(rows[0], file="elsewhere.jpg"), *rows[1:]))
    (tmp_path / "cat/own.png").touch()
    (tmp_path / ".collecting/garden").mkdir(parents=True)
    (tmp_path / ".collecting/garden/partial.jpg").touch()
    paths = find_images(tmp_path)
    with shown_log():
        named = read_names(tmp_path, paths)
    assert named is not None
    assert (named.layout, len(paths)) == ("class folders", 4)
    assert {path.relative_to(tmp_path).as_posix(): label for path, label in named.classes.items()} == {
        rows[0].file: "and/or",
        rows[1].file: "cat",
        "cat/own.png": "cat",
    }
    note = f"note: {tmp_path}/unsorted: 1 picture has no class yet and is left out\n"
    assert capsys.readouterr().err == note
    dataset = open_dataset(tmp_path, ["cat", "and/or"])
    assert [(dataset.name(number), image.index) for number, image in enumerate(dataset.images)] == [
        (rows[0].file, 1),
        (rows[1].file, 0),
        ("cat/own.png", 0),
    ]


def test_a_folder_called_unsorted_is_a_class_elsewhere(tmp_path: Path) -> None:
    """Only beside the table it is not."""
    put(tmp_path, "unsorted", b"1")
    named = read_names(tmp_path, find_images(tmp_path))
    assert named is not None
    assert set(named.classes.values()) == {"unsorted"}


def test_nothing_is_sorted(tmp_path: Path) -> None:
    """There is nothing to train on, and the message says what to do."""
    row, other = put(tmp_path, "unsorted", b"1"), put(tmp_path, "unsorted", b"2")
    (tmp_path / "collected.csv").write_text(table(row, other))
    with pytest.raises(DataError) as error:
        read_names(tmp_path, find_images(tmp_path))
    assert str(error.value) == (
        f"{tmp_path}/unsorted: 2 pictures have no class yet, and there are no others; "
        f"move them into folders {tmp_path}/<class>"
    )


def test_bursts(tmp_path: Path) -> None:
    """One class, one board, at most 30 seconds after the last one; without a time a picture stands alone."""
    times = {
        b"1": ("cat", "garden", "2026-05-04T03:02:00.000Z"),
        b"2": ("cat", "garden", "2026-05-04T03:02:30.000Z"),
        b"3": ("cat", "garden", "2026-05-04T03:03:00.000Z"),
        b"4": ("cat", "garden", "2026-05-04T03:03:30.001Z"),
        b"5": ("cat", "gate", "2026-05-04T03:02:00.000Z"),
        b"6": ("dog", "garden", "2026-05-04T03:02:10.000Z"),
        b"7": ("dog", "garden", ""),
        b"8": ("dog", "garden", "yesterday"),
    }
    rows = [put(tmp_path, label, content, board=board, time=time) for content, (label, board, time) in times.items()]
    (tmp_path / "collected.csv").write_text(table(*rows))
    named = read_names(tmp_path, find_images(tmp_path))
    assert named is not None
    first, fourth, fifth, sixth = (sha256(content) for content in (b"1", b"4", b"5", b"6"))
    assert {path.stem: group for path, group in named.groups.items()} == {
        first: f"garden {first}",
        sha256(b"2"): f"garden {first}",
        sha256(b"3"): f"garden {first}",
        fourth: f"garden {fourth}",
        fifth: f"gate {fifth}",
        sixth: f"garden {sixth}",
    }


def test_a_table_of_somebody_else(tmp_path: Path) -> None:
    """Other columns, another value, a row that is too short: each is one line."""
    columns = table().strip().split(",")
    expected = "expected those of a table that collect wrote: " + ", ".join(columns)
    path = tmp_path / "collected.csv"
    assert read_rows(tmp_path) == {}
    path.write_text("file,label\na.png,cat\n")
    with pytest.raises(DataError) as error:
        read_rows(tmp_path)
    assert str(error.value) == f"{path}: columns file, label; {expected}"
    for row, reason in (
        (
            ",".join("x" * len(columns)),
            """field 'class_by' is "x", this program knows "taught", "label", "hand" and \"""",
        ),
        ("x,y", "field 'class_by' is null, this program knows"),
        ("," * len(columns), "a row has too many cells"),
    ):
        path.write_text(f"{','.join(columns)}\n{row}\n")
        with pytest.raises(DataError) as error:
            read_rows(tmp_path)
        assert str(error.value).startswith(f"{path}: cannot be read ({reason}")
        assert str(error.value).endswith("); expected a table that collect wrote")
