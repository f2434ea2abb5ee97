"""Several boards in parallel: an error on one of them does not affect the others."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from tests.stand_in_boards import stand_in

from mixer_edge.standard_error import shown_log
from mixer_edge_export.commands.boards import run_on_boards
from mixer_edge_export.deploy.board import Board
from mixer_edge_export.deploy.fleet import UnexpectedError, for_each


def system(board: Board) -> str:
    """Return the board's system; raise an unexpected exception for one of them."""
    if board.host == "odd":
        return {"known": "Linux"}["unknown"]
    board.report("probe", "found")
    return board.probe().system


def test_an_unexpected_exception_is_its_own_boards(boards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The others have their results; the command shows the traceback at the end, when all are done."""
    for host in ("odd", "even"):
        stand_in(host)
    with shown_log():
        failed, found, absent = for_each(["odd", "even", "absent"], system, config=None, identity=None)
    assert isinstance(failed, UnexpectedError)
    assert str(failed) == "odd: KeyError: 'unknown'; this is a bug, please report it"
    assert found == "Linux"
    assert str(absent) == (
        "absent: no such name on the network: check the spelling, try the board's IP address, or add a name to "
        "~/.ssh/config"
    )
    *others, error = capsys.readouterr().err.partition("[odd] error: ")[::2]
    assert {line.split()[0] for line in others[0].splitlines()} == {"[even]", "[absent]"}
    assert error.startswith(
        "KeyError: 'unknown'; this is a bug, please report it\nTraceback (most recent call last):\n"
    )
    assert error.endswith("\nKeyError: 'unknown'\n")


@pytest.mark.parametrize("as_json", [False, True])
def test_every_board_has_its_row(boards: Path, as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """A table or a line of JSON each, in the order of the hosts, and exit code 1."""
    for host in ("odd", "even"):
        stand_in(host)
    arguments = argparse.Namespace(hosts=["odd", "even"], ssh_config=None, identity=None, json=as_json)
    rows = run_on_boards(arguments, system, ("system", "more"), lambda it: [(it, "x")], lambda it: {"system": it})
    assert rows == 1
    printed = capsys.readouterr().out.splitlines()
    if as_json:
        assert list(map(json.loads, printed)) == [
            {"host": "odd", "error": "odd: KeyError: 'unknown'; this is a bug, please report it"},
            {"host": "even", "system": "Linux"},
        ]
    else:
        assert [line.split() for line in printed] == [
            ["host", "system", "more"],
            ["odd", "FAILED", "-"],
            ["even", "Linux", "x"],
        ]
