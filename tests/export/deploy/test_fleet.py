"""Several boards in parallel: an error on one of them does not affect the others."""

from __future__ import annotations

import argparse
import errno
import json
import os
from pathlib import Path
from threading import Barrier

import pytest
from tests.conftest import LABELS
from tests.export.deploy.conftest import Deployer
from tests.pictures import write_pictures
from tests.stand_in_boards import StandIn, copied, stand_in

from mixer_edge.standard_error import shown_log
from mixer_edge_export.cli import main
from mixer_edge_export.commands.boards import run_on_boards
from mixer_edge_export.deploy import ssh
from mixer_edge_export.deploy.board import Board
from mixer_edge_export.deploy.fleet import MAX_PARALLEL, NotStartedError, UnexpectedError, for_each
from mixer_edge_export.deploy.layout import BASE
from mixer_edge_export.deploy.ssh import DeployError


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


def full(board: Board) -> str:
    """Return nothing: this machine's disk is full."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/cache/file")


def test_a_full_disk_of_this_machine_is_no_bug(boards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says it, without a traceback."""
    stand_in("pi")
    with shown_log():
        (failed,) = for_each(["pi"], full, config=None, identity=None)
    message = "this machine's disk is full (/cache/file: No space left on device); free some space here, then repeat"
    assert str(failed) == f"pi: {message}"
    assert capsys.readouterr().err == f"[pi] error: {message}\n"


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


def answer(board: Board) -> str:
    """Return what the board prints; it may be anything."""
    return board.connection.run("[ ! -e noise ] || exec cat /dev/zero >&2; exec cat answer").strip()


def test_odd_answers_of_some_of_200_boards(
    boards: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that is no text, and two that do not stop, on either output: every board has its row."""
    monkeypatch.setattr(ssh, "MAX_OUTPUT", 1 << 20)
    hosts = [f"board{number}" for number in range(200)]
    for host in hosts:
        (boards / host).mkdir()
        (boards / host / "answer").write_text(host)
    (boards / "board7/answer").write_bytes(b"\x00\xff\x1b[2J")
    (boards / "board70/answer").unlink()
    (boards / "board70/answer").symlink_to("/dev/zero")
    (boards / "board170/noise").touch()
    arguments = argparse.Namespace(hosts=hosts, ssh_config=None, identity=None, json=True)
    columns = ("answer", "more")
    assert run_on_boards(arguments, answer, columns, lambda it: [(it, "x")], lambda it: {"answer": it}) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["host"] for row in rows] == hosts
    assert [row for row in rows if row.get("answer") != row["host"]] == [
        {"host": "board7", "answer": "\x00\\xff\x1b[2J"},
        {"host": "board70", "error": "board70: it does not stop printing"},
        {"host": "board170", "error": "board170: it does not stop printing"},
    ]


def test_a_long_answer_is_cut_in_the_message(boards: Path) -> None:
    """The row of a board stays readable, whatever its shell prints."""
    stand_in("odd")
    script = "printf '%05000d' 0 >&2; exit 1"
    (result,) = for_each(["odd"], lambda board: board.connection.run(script), config=None, identity=None)
    assert str(result) == f"odd: {'0' * 1995} ..."


def test_numbers_that_are_none(boards: Path) -> None:
    """Digits that Python's ``int`` refuses, or that are too many, count as no answer."""
    stand_in("odd").program("df", "printf 'x\\nx x x ²\\n'")
    stand_in("odder").program("df", "printf 'x\\nx x x %5000s\\n' | tr ' ' 9")
    results = for_each(["odd", "odder"], lambda board: board.probe().free_bytes, config=None, identity=None)
    assert results == [0, 0]


@pytest.mark.parametrize(("failing", "max_failures", "started"), [(2, 2, 30), (2, 1, 3), (1, 0, 3), (0, 0, 30)])
def test_no_board_is_started_after_too_many_failures(
    boards: Path, failing: int, max_failures: int, started: int
) -> None:
    """Three canary boards come first; the others start if no more of them failed than may."""
    hosts = [f"board{number}" for number in range(30)]
    order: list[str] = []
    canary_boards = Barrier(3, timeout=60)

    def action(board: Board) -> None:
        order.append(board.host)
        if board.host in hosts[:3]:
            canary_boards.wait()  # none of them fails before all have started
        if board.host in hosts[:failing]:
            raise DeployError(f"{board.host}: it fails")

    for host in hosts:
        (boards / host).mkdir()
    results = for_each(hosts, action, config=None, identity=None, canary=3, max_failures=max_failures)
    assert (set(order[:3]), len(order)) == (set(hosts[:3]), started)
    assert [str(result) for result in results[started:]] == [
        f"{host}: not started: more than {max_failures} boards had failed" for host in hosts[started:]
    ]


def test_the_limit_counts_every_board(boards: Path) -> None:
    """Without canary boards too: those that run when the limit is passed go on, and no other is started."""
    hosts = [f"absent{number}" for number in range(40)]
    results = for_each(hosts, system, config=None, identity=None, max_failures=0)
    untouched = [result for result in results if isinstance(result, NotStartedError)]
    assert 40 - MAX_PARALLEL <= len(untouched) < 40


def rollout(
    deployer: Deployer, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, list[dict], list[str]]:
    """Return the exit code of a deploy of float16, its rows, and the last lines of standard error that are errors."""
    code = main(["deploy", str(deployer.bundle), *arguments, "--variant", "float16", "--json"])
    printed = capsys.readouterr()
    errors = [line for line in printed.err.splitlines() if "error: " in line or line.startswith("stopped")]
    return code, [json.loads(line) for line in printed.out.splitlines()], errors


def test_a_canary_that_fails_leaves_the_others_untouched(
    board: StandIn, deployer: Deployer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rows and the last line say what every board runs: the old release, nothing, unknown, untouched."""
    board.program("awk", 'case $* in "NF &&"*) echo "cannot write" >&2; exit 2 ;; esac; exec /usr/bin/awk "$@"')
    bare = stand_in("bare")
    bare.program("rsync", "exit 1")
    hosts = [board.host, "absent", "bare", *(f"more{number}" for number in range(5))]
    code, rows, errors = rollout(deployer, capsys, *hosts, "--canary", "3", "--max-failures", "2")
    assert code == 1
    assert [(row["host"], row["runs"], row["release"]) for row in rows] == [
        (board.host, "old", board.current),
        ("absent", "unknown", None),
        ("bare", "nothing", None),
        *((host, "untouched", None) for host in hosts[3:]),
    ]
    assert rows[0]["error"].endswith(f"switch failed, the board still runs {board.current}; fix this, then repeat")
    assert rows[3]["error"] == "more0: not started: more than 2 boards had failed"
    assert errors[-1] == "stopped: 3 boards failed, 2 may; untouched: 5, old: 1, unknown: 1, nothing: 1, done: 0"
    main(["deploy", str(deployer.bundle), "absent", "more", "--canary", "1"])
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["absent", "FAILED", "unknown", *"-------"],
        ["more", "not", "started", "untouched", *"-------"],
    ]


def test_canary_boards_prove_their_answers(
    board: StandIn, deployer: Deployer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A board whose answers differ switches back, and the others run the old release; one that agrees is followed."""
    data, other = write_pictures(tmp_path / "data", LABELS, 1), copied(board, f"{board.host}-other")
    old = board.current
    board.program("cmp", f'for one in ~/{BASE}/evaluations/*/pictures/*; do echo x > "$one"; break; done; exit 1')
    arguments = [board.host, other.host, "--canary", "1", "--data", str(data)]
    code, rows, errors = rollout(deployer, capsys, *arguments)
    assert (code, [row["runs"] for row in rows], board.current, other.current) == (1, ["old", "untouched"], old, old)
    assert errors[0] == (
        f"[{board.host}] error: 1 of 10 answers differ from this machine's; at most 1% may: the release failed after "
        f"the switch, the board runs {old} again"
    )
    (board.home / ".programs/cmp").unlink()
    code, rows, _ = rollout(deployer, capsys, *arguments)
    assert (code, [row["label"] for row in rows]) == (0, ["bird", "bird"])
    assert board.current == other.current != old


def test_pictures_are_for_canary_boards(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without them no board would be compared."""
    assert main(["deploy", str(tiny_bundle), "a", "--data", "photos"]) == 2
    assert capsys.readouterr().err == "error: photos: these pictures are for the boards of --canary; add --canary\n"


def test_a_proof_with_a_bug(board: StandIn, deployer: Deployer) -> None:
    """An unexpected exception also leaves the old release in use."""
    old = board.current
    with pytest.raises(KeyError):
        deployer(board, variant="float16", prove=lambda board: {}["known"])
    assert board.current == old
