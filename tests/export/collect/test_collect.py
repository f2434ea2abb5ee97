"""What boards were taught and what they captured comes home, once, and stays as the user leaves it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.collecting import sha256
from tests.export.collect.conftest import Collector, Owner

from mixer_edge.captured.store import read_captured, set_label
from mixer_edge.collected import COLUMNS
from mixer_edge.dataset import find_images, read_names
from mixer_edge.teach.state import read_pictures
from mixer_edge_export.collect import action, copies

Make = Callable[[str], Owner]
ONE, TWO, P1, P2, P3 = map(sha256, (b"one", b"two", b"picture 1", b"picture 2", b"picture 3"))
TIME = "2026-05-04T03:02:01.000Z"
F = "f" * 64


def test_everything_comes_home(owner: Make, collect: Collector) -> None:
    """Taught and labelled pictures by class, the others unsorted, and in the table what the board knows of each."""
    board = owner("garden")
    board.teach("cat", 1, 2)
    board.teach("dog", 3)
    board.capture(b"one")
    board.capture(b"two", "and/or", none=True, reason="none", random=True)
    board.capture(b"picture 1", "dog", reason=None, random=True)
    assert collect("garden") == (
        [
            "host    pictures  new  moved  unsorted  failed  forgotten",
            "garden  5         5    0      1         0       -",
        ],
        [
            "[garden] list     5 pictures, 5 of them not here",
            "[garden] copy     5 of 5 pictures, 0.0 MB",
            f"{collect.photos}: 4 pictures of 3 classes, 1 unsorted",
        ],
    )
    assert collect.files() == {
        f"and%2For/{TWO}.jpg", f"cat/{P1}.png", f"cat/{P2}.png", f"dog/{P3}.png", f"unsorted/{ONE}.jpg",
    }  # fmt: skip
    assert (collect.photos / f"and%2For/{TWO}.jpg").read_bytes() == b"two"
    assert collect.table() == [
        ",".join(COLUMNS),
        f"and%2For/{TWO}.jpg,and/or,label,{TIME},cat,0.5000,yes,none,int8,pets,{F},garden,{TWO}",
        f"cat/{P1}.png,cat,taught,{TIME},cat,0.5000,no,random,int8,pets,{F},garden,{P1}",
        f"cat/{P2}.png,cat,taught,,,,,,int8,drawn,{F},garden,{P2}",
        f"dog/{P3}.png,dog,taught,,,,,,int8,drawn,{F},garden,{P3}",
        f"unsorted/{ONE}.jpg,,,{TIME},cat,0.5000,no,tie,int8,pets,{F},garden,{ONE}",
    ]
    assert not (collect.photos / ".collecting").exists()


def test_taught_pictures_of_one_moment_are_a_burst(owner: Make, collect: Collector) -> None:
    """With captured ones of the same class; of a picture that is both the time of its answer counts."""
    board = owner("garden")
    board.teach("cat", 1)
    board.teach("cat", 2, time="2026-05-04T03:02:31.000Z")
    board.teach("cat", 3, time="2026-05-04T03:03:01.001Z")
    board.capture(b"one", "cat")
    board.capture(b"picture 3", time="2026-05-04T05:00:00.000Z")
    collect("garden")
    assert [line.split(",")[3] for line in collect.table()[1:] if f"{ONE}.jpg" not in line] == [
        "", "2026-05-04T03:02:31.000Z", "2026-05-04T05:00:00.000Z",
    ]  # fmt: skip
    named = read_names(collect.photos, find_images(collect.photos))
    assert named is not None
    assert {path.stem: group for path, group in named.groups.items()} == {
        ONE: f"garden {ONE}", P2: f"garden {ONE}", P3: f"garden {P3}",
    }  # fmt: skip


def test_twice_is_once(owner: Make, collect: Collector) -> None:
    """Nothing is copied or written anew, and the table is the same."""
    board = owner("garden")
    board.teach("cat", 1)
    board.capture(b"one")
    collect("garden")
    before = {path: path.stat().st_mtime_ns for path in collect.photos.glob("*/*")}
    table = collect.table()
    board.board.program("rsync", "exit 1")
    output, _ = collect("garden", "--json")
    assert list(map(json.loads, output)) == [
        {"host": "garden", "pictures": 2, "new": 0, "moved": 0, "unsorted": 1, "forgotten": None, "failed": []}
    ]
    assert {path: path.stat().st_mtime_ns for path in collect.photos.glob("*/*")} == before
    assert collect.table() == table


def test_a_label_that_comes_later(owner: Make, collect: Collector) -> None:
    """The picture moves to its class; labelled anew it moves again; a label taken back changes nothing."""
    board = owner("garden")
    board.capture(b"one")
    collect("garden")
    for label, place in (("cat", "cat"), ("dog", "dog"), (None, "dog")):
        set_label(board.captured, f"{ONE}.jpg", label)
        output, _ = collect("garden")
        assert output[1].split() == ["garden", "1", "0", str(int(label is not None)), str(int(label is None)), "0", "-"]
        assert collect.files() == {f"{place}/{ONE}.jpg"}
        assert collect.table()[1].startswith(f"{place}/{ONE}.jpg,{place},label,{TIME},")


def test_what_the_user_sorted_stays(owner: Make, collect: Collector) -> None:
    """Moved or copied by hand it stays, whatever the board says later; removed by hand it does not come again."""
    board = owner("garden")
    for content in (b"one", b"two", b"three"):
        board.capture(content)
    board.teach("cat", 1)
    collect("garden")
    (collect.photos / "bird").mkdir()
    (collect.photos / f"unsorted/{ONE}.jpg").rename(collect.photos / f"bird/{ONE}.jpg")
    (collect.photos / f"cat/{P1}.png").rename(collect.photos / f"bird/{P1}.png")
    (collect.photos / f"unsorted/{TWO}.jpg").unlink()
    three = f"{sha256(b'three')}.jpg"
    shutil.copyfile(collect.photos / f"unsorted/{three}", collect.photos / f"cat/{three}")
    for name in (f"{ONE}.jpg", f"{TWO}.jpg", three):
        set_label(board.captured, name, "cat")
    for _ in range(2):
        collect("garden")
        assert collect.files() == {f"bird/{ONE}.jpg", f"bird/{P1}.png", f"cat/{three}", f"unsorted/{three}"}
        assert [row.split(",")[:3] for row in collect.table()[1:]] == [
            [f"bird/{P1}.png", "bird", "hand"],
            [f"bird/{ONE}.jpg", "bird", "hand"],
            [f"cat/{three}", "cat", "label"],
            ["", "", ""],
        ]


def test_a_folder_without_its_table(owner: Make, collect: Collector) -> None:
    """Pictures that are there are known by their names, in their class or where the user has put them."""
    board = owner("garden")
    board.teach("cat", 1, 2)
    board.capture(b"one")
    collect("garden")
    (collect.photos / "collected.csv").unlink()
    (collect.photos / "bird").mkdir()
    (collect.photos / f"cat/{P2}.png").rename(collect.photos / f"bird/{P2}.png")
    set_label(board.captured, f"{ONE}.jpg", "dog")
    output, _ = collect("garden")
    assert output[1].split() == ["garden", "3", "0", "1", "0", "0", "-"]
    assert [row.split(",")[:3] for row in collect.table()[1:]] == [
        [f"bird/{P2}.png", "bird", "hand"],
        [f"cat/{P1}.png", "cat", "taught"],
        [f"dog/{ONE}.jpg", "dog", "label"],
    ]


def test_several_boards(owner: Make, collect: Collector) -> None:
    """A picture that two have comes once; a class of the second is used if the first has none, else the first's is."""
    garden, gate = owner("garden"), owner("gate")
    garden.teach("cat", 1, 2)
    gate.teach("cat", 1)
    collect("garden")
    gate.teach("dog", 2, 3)
    garden.capture(b"one")
    garden.capture(b"two")
    gate.capture(b"one", "bird")
    output, errors = collect("garden", "gate", "absent", code=1)
    rows = {line.split()[0]: line.split()[1:] for line in output[1:]}
    assert rows["absent"] == ["FAILED", "-", "-", "-", "-", "-"]
    assert (rows["garden"][0], rows["gate"][0]) == ("4", "4")
    assert int(rows["garden"][1]) + int(rows["gate"][1]) == 3
    assert (
        f"warning: {collect.photos}/cat/{P2}.png: it is 'cat' on garden and 'dog' on gate, and stays where it is"
        in errors
    )
    assert (
        "[absent] error: no such name on the network: check the spelling, try the board's IP address, or add a name to "
        "~/.ssh/config" in errors
    )
    expected = {f"bird/{ONE}.jpg", f"cat/{P1}.png", f"cat/{P2}.png", f"dog/{P3}.png", f"unsorted/{TWO}.jpg"}
    assert collect.files() == expected
    boards = {row.split(",")[-1]: row.split(",")[-2] for row in collect.table()[1:]}
    assert {name: boards[name] for name in (P1, P2, P3, TWO)} == {P1: "garden", P2: "garden", P3: "gate", TWO: "garden"}
    collect("gate", "garden")
    assert collect.files() == expected


def test_the_board_forgets_what_is_safe(owner: Make, collect: Collector) -> None:
    """Captured pictures with a right copy here go; a damaged copy, a removed one and what is taught stay there."""
    board = owner("garden")
    board.teach("cat", 1)
    board.capture(b"picture 1")
    for content in (b"one", b"two", b"three", b"four"):
        board.capture(content)
    collect("garden")
    (collect.photos / f"unsorted/{TWO}.jpg").write_bytes(b"twO")
    (collect.photos / f"unsorted/{sha256(b'three')}.jpg").unlink()
    (collect.photos / "cat").mkdir(exist_ok=True)
    (collect.photos / f"unsorted/{sha256(b'four')}.jpg").rename(collect.photos / f"cat/{sha256(b'four')}.jpg")
    output, errors = collect("garden", "--forget")
    assert output[1].split() == ["garden", "5", "0", "0", "4", "0", "3"]
    assert errors[:2] == [
        "[garden] list     5 pictures, 0 of them not here",
        "[garden] forget   3 pictures forgotten there; 2 pictures stay: their copies are not here or "
        "not as they were, or their label is new",
    ]
    assert {found.file for found in read_captured(board.captured)} == {f"{TWO}.jpg", f"{sha256(b'three')}.jpg"}
    assert [found.path.stem for found in read_pictures(board.taught)] == [P1]
    assert len(collect.table()) == 6


def test_a_label_that_comes_while_the_board_is_freed(owner: Make, collect: Collector) -> None:
    """It was given after the list was read: the picture stays there, and moves to its class the next time."""
    board = owner("garden")
    board.capture(b"one")
    (board.board.home / "label.py").write_text(
        "from pathlib import Path\n"
        "from mixer_edge.captured.store import set_label\n"
        f"set_label(Path({str(board.captured)!r}), '{ONE}.jpg', 'cat')\n"
    )
    command = f'{sys.executable} -m mixer_edge "$@" || exit'
    board.runs(f"{command}\n[ -e ~/labelled ] || python3 ~/label.py\ntouch ~/labelled")
    output, _ = collect("garden", "--forget")
    assert output[1].split() == ["garden", "1", "1", "0", "1", "0", "0"]
    output, _ = collect("garden", "--forget")
    assert output[1].split() == ["garden", "1", "0", "1", "0", "0", "1"]
    assert collect.files() == {f"cat/{ONE}.jpg"}


def test_a_label_that_comes_while_the_copies_are_read(
    owner: Make, collect: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many pictures that takes minutes: the label is not lost with the picture."""
    board = owner("garden")
    board.capture(b"one")
    board.capture(b"two")

    def is_safe(path: Path, sha256: str) -> bool:
        set_label(board.captured, f"{ONE}.jpg", "cat")
        return copies.is_safe(path, sha256)

    monkeypatch.setattr(action, "is_safe", is_safe)
    output, _ = collect("garden", "--forget")
    assert output[1].split() == ["garden", "2", "2", "0", "2", "0", "1"]
    assert [(found.file, found.label) for found in read_captured(board.captured)] == [(f"{ONE}.jpg", "cat")]


def test_odd_classes(owner: Make, collect: Collector) -> None:
    """Each is one folder that leads back to the class; one that no folder can be called is said, the others come."""
    board = owner("garden")
    for number, label in enumerate(("..", ".git", "unsorted", "none", "collected.csv", "Vögel, 50 %", "€" * 100)):
        board.teach(label, number)
    output, errors = collect("garden", code=1)
    assert output[1].split() == ["garden", "7", "6", "0", "0", "1", "-"]
    assert {path.name for path in collect.photos.iterdir() if not path.name.startswith(".")} == {
        "%2E.", "%2Egit", "%75nsorted", "none", "%63ollected.csv", "Vögel, 50 %", "collected.csv",
    }  # fmt: skip
    path = board.taught / f"pictures/{sha256(b'picture 6')}.png"
    assert errors[-2:] == [
        f"error: garden: {path}: the class '{'€' * 20}'... is too long for the name of a folder, expected at most 255 "
        "bytes; teach it under a shorter name",
        f"{collect.photos}: 6 pictures of 6 classes, 0 unsorted",
    ]
    classes = {row.split(",")[1].strip('"') for row in collect.table()[1:]}
    assert classes >= {"..", ".git", "unsorted", "none", "collected.csv"}


@pytest.mark.parametrize("flag", ["--json", "--forget"])
def test_a_board_without_pictures(owner: Make, collect: Collector, flag: str) -> None:
    """There is an empty table, and nothing else."""
    owner("garden")
    collect("garden", flag)
    assert collect.table() == [",".join(COLUMNS)]
    assert collect.files() == set()
    shutil.rmtree(collect.photos)
