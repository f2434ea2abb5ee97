"""The random share as the board prints it, through a stand-in ssh."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.random_captures import START, outputs, picture, stream, write_captures
from tests.stand_in_boards import BASE, StandIn, stand_in

from mixer_edge.captured.tables import CAPTURED
from mixer_edge_export.deploy.board import Board
from mixer_edge_export.deploy.ssh import RemoteError, connect
from mixer_edge_export.drift.captures import About, Captures, fetch_pictures, outputs_of, read

CAPTURES = stream(6)


@pytest.fixture
def pi(boards: Path) -> StandIn:
    """A board without captures."""
    return stand_in("pi")


def read_from(board: StandIn, since: str | None = None) -> Captures:
    """Return what is read from a board."""
    with connect(board.host) as connection:
        return read(Board(connection, lambda step, text: None), since)


def refused(board: StandIn) -> str:
    """Return the message of the error."""
    with pytest.raises(RemoteError) as caught:
        read_from(board)
    return str(caught.value)


def test_the_random_share_of_the_newest_file(pi: StandIn) -> None:
    """Not what it was unsure of, and of another file only the number."""
    unsure, other = stream(8)[6:]
    write_captures(pi.home, [replace(other, file_sha256="b" * 64)])
    folder = write_captures(pi.home, CAPTURES)
    write_captures(pi.home, [unsure], random=False)
    found = read_from(pi)
    assert found == Captures(about=About(folder=str(folder), deployed=None, others=1), captures=tuple(CAPTURES))
    assert (outputs_of(found.captures) == outputs(CAPTURES)).all()


def test_pictures_before_two_classes_were_taught(pi: StandIn) -> None:
    """They have features and no answer, so there is no confidence to compare."""
    folder = write_captures(pi.home, CAPTURES)
    with CAPTURED.writing(folder) as change:
        empty = json.dumps({"categories": []})
        change.database.execute("UPDATE pictures SET categories = ? WHERE file = ?", (empty, CAPTURES[0].file))
    assert read_from(pi).captures == tuple(CAPTURES[1:])


def test_since_the_last_switch_or_a_time(pi: StandIn) -> None:
    """The link to the release in use is as old as the switch; a time that is given comes before it."""
    folder = write_captures(pi.home, CAPTURES)
    (pi.base / "releases/one").mkdir(parents=True)
    (pi.base / "current").symlink_to("releases/one")
    switched = START.timestamp() + 3 * 3600
    os.utime(pi.base / "current", (switched, switched), follow_symlinks=False)
    about = About(folder=str(folder), deployed=CAPTURES[3].time, others=0)
    assert read_from(pi) == Captures(about=about, captures=tuple(CAPTURES[3:]))
    assert read_from(pi, CAPTURES[1].time) == Captures(about=about, captures=tuple(CAPTURES[1:]))
    assert BASE == ".local/share/mixer-edge"


def test_a_board_without_captures(pi: StandIn) -> None:
    """Nothing is created there."""
    home = pi.home / ".local/share/mixer-edge-captured"
    assert read_from(pi) == Captures(about=About(folder=str(home), deployed=None, others=0), captures=())
    assert not home.exists()


def test_it_is_read_while_the_recorder_writes(pi: StandIn) -> None:
    """A transaction that is not committed does not wait and is not seen."""
    folder = write_captures(pi.home, CAPTURES[:3])
    with closing(sqlite3.connect(folder / "captured.sqlite", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM pictures")
        assert read_from(pi).captures == tuple(CAPTURES[:3])
        writer.execute("ROLLBACK")


def test_a_database_that_cannot_be_used(pi: StandIn) -> None:
    """A newer one, and a damaged one."""
    folder = write_captures(pi.home, CAPTURES)
    with closing(sqlite3.connect(folder / "captured.sqlite")) as database:
        database.execute("PRAGMA user_version = 99")
    assert refused(pi) == (
        "pi: error: captured.sqlite there: version 99, expected 1; written by a newer mixer-edge; upgrade this one"
    )
    for path in folder.glob("captured.sqlite*"):
        path.write_bytes(b"x" * 4096)
    assert refused(pi) == "pi: error: captured.sqlite there: cannot be read (file is not a database)"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"file": "../../.ssh/id_ed25519"}, "a file named '../../.ssh/id_ed25519'"),
        ({"time": "yesterday"}, "Invalid isoformat string: 'yesterday'"),
        ({"outputs": ""}, f"no finite outputs of {CAPTURES[0].file}"),
        ({"outputs": "AADAfwAAwH8AAMB/AADAfw=="}, f"no finite outputs of {CAPTURES[0].file}"),
        ({"outputs": "AACAPw=="}, "1 and 4 outputs of one file"),
    ],
)
def test_something_else_than_captures(pi: StandIn, changes: dict[str, str], reason: str) -> None:
    """A board that was tampered with names no other file of this machine, and no figure is made of nonsense."""
    write_captures(pi.home, [replace(CAPTURES[0], **changes), CAPTURES[1]])
    assert refused(pi) == (
        f"pi: captured.sqlite there has something else than captures ({reason}); "
        "move what is in the folder away; the pictures stay readable"
    )


def test_pictures_that_are_still_there(pi: StandIn, tmp_path: Path) -> None:
    """One that is gone, or is not what its name says, is left out."""
    folder = write_captures(pi.home, CAPTURES)
    for number in (0, 1):
        (folder / "pictures" / CAPTURES[number].file).write_bytes(picture(0))
    with connect(pi.host) as connection:
        board = Board(connection, lambda step, text: None)
        fetch_pictures(board, read(board, None).about, [one.file for one in CAPTURES[:3]], tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.png")} == {CAPTURES[0].file: picture(0)}
