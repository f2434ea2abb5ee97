"""The command ``drift`` as users run it, on a stand-in board."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.random_captures import FILE, picture, stream, write_captures
from tests.stand_in_boards import StandIn, stand_in

from mixer_edge_export.cli import main
from mixer_edge_export.drift import compare
from mixer_edge_export.drift.looks import looks_path, read_looks


@pytest.fixture
def pi(boards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """A board without captures; nobody has looked at it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return stand_in("pi")


Run = Callable[..., tuple[int, list[str], str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process, and returns its exit code, lines and errors."""

    def call(*arguments: str) -> tuple[int, list[str], str]:
        code = main(["drift", *arguments])
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err

    return call


def process(*arguments: str) -> tuple[int, list[str], str]:
    """Return the exit code, the lines and the errors of the command in a process of its own."""
    command = [sys.executable, "-m", "mixer_edge_export", "drift", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_drift(pi: StandIn, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs that have moved are found; the answer is the same again, with a report, and as JSON."""
    captures = stream(60, moved_from=24)
    folder = write_captures(pi.home, captures)
    for number in range(24, 60):
        (folder / "pictures" / captures[number].file).write_bytes(picture(number))
    code, lines, errors = process("pi", "--reference", "24", "--days", "30")
    assert (code, errors) == (3, "")
    assert lines == [
        "pi: drift found (pets int8, since the first capture)",
        "reference: 24 captures, 2026-05-04 00:00 UTC to 2026-05-04 23:00 UTC, 3 none of the classes; recent: 36 "
        "captures, 2026-05-05 00:00 UTC to 2026-05-06 11:00 UTC, 3 none of the classes, of the last 30 days",
        "outputs: of two pictures, the recent one is told in 100.0% of the pairs (50% is chance), p = 0.00063",
        *lines[3:4],
        "look 1: a drift is p of at most 0.013 in one of the 2 tests; the interval is a 98.75% one",
    ]
    report = tmp_path / "report"
    monkeypatch.setattr(compare, "STRANGEST", 2)
    again = run("pi", "--reference", "24", "--days", "30", "--report", str(report))
    assert again == (3, lines, f"report: {report}/report.html\n")
    assert (report / "report.html").read_text().count("<img ") == 2
    code, (line,), errors = run("pi", "--reference", "24", "--days", "30", "--json")
    assert (code, errors) == (3, "")
    assert json.loads(line) == json.loads((report / "report.json").read_text())
    assert len(read_looks("pi").looks) == 1


def test_no_drift_in_more_looks(pi: StandIn, run: Run) -> None:
    """The board has forgotten the reference meanwhile: the second look has the one that is kept here."""
    captures = stream(72)
    folder = write_captures(pi.home, captures[:48])
    code, lines, _ = run("pi", "--reference", "24", "--days", "30")
    assert (code, lines[0]) == (0, "pi: no drift found (pets int8, since the first capture)")
    (folder / "captured.sqlite").unlink()
    for path in folder.glob("captured.sqlite-*"):
        path.unlink()
    write_captures(pi.home, captures[30:])
    code, lines, _ = run("pi", "--reference", "24", "--days", "30")
    assert code == 0
    assert lines[1] == (
        "reference: 24 captures, 2026-05-04 00:00 UTC to 2026-05-04 23:00 UTC, 3 none of the classes; recent: 42 "
        "captures, 2026-05-05 06:00 UTC to 2026-05-06 23:00 UTC, 5 none of the classes, of the last 30 days"
    )
    assert lines[-1] == ("look 2: a drift is p of at most 0.0042 in one of the 2 tests; the interval is a 99.5833% one")


def test_scenes_that_are_longer_than_a_block(pi: StandIn, run: Run) -> None:
    """Captures that are alike for long look like a drift: there is no answer, but what to do."""
    write_captures(pi.home, stream(60, moved_from=24, by=30.0, scene=6))
    code, lines, _ = run("pi", "--reference", "24", "--days", "30")
    assert (code, lines[0]) == (4, "pi: no answer yet (pets int8, since the first capture)")
    assert lines[2] == (
        "the recent captures differ, but the reference's neighbours are alike for too long for blocks of 2 "
        "(p = 0.001), so it may be chance; longer blocks decide: --reference 48"
    )


def test_too_few_captures(pi: StandIn, run: Run) -> None:
    """It says how many more are needed; that is no look."""
    write_captures(pi.home, stream(10))
    code, lines, errors = run("pi", "--reference", "24", "--since", "2026-05-04T02:00+00:00")
    assert (code, errors) == (4, "")
    assert lines == [
        "pi: no answer yet (pets int8, since 2026-05-04 02:00 UTC)",
        "reference: 8 captures, 2026-05-04 02:00 UTC to 2026-05-04 09:00 UTC; recent: 0 captures, of the last 7 days",
        "needed: 16 more for the reference, then 12 recent ones; then repeat the command",
    ]
    write_captures(pi.home, stream(32)[10:])
    assert run("pi", "--reference", "24")[1][2] == "needed: 4 more recent captures; then repeat the command"
    assert (read_looks("pi").looks, len(read_looks("pi").kept)) == ((), 24)
    assert read_looks("pi").kept[0].file_sha256 == FILE


def test_a_board_without_captures(pi: StandIn, run: Run, tmp_path: Path) -> None:
    """It says how they come there; the report says the same."""
    report = tmp_path / "report"
    assert run("pi", "--report", str(report)) == (
        4,
        [
            "pi: no answer yet: no random captures since the first capture",
            "they are there if serve, camera or watch runs with --capture: docs/teach.md",
        ],
        f"report: {report}/report.html\n",
    )
    assert not looks_path("pi").exists()


def test_errors(pi: StandIn) -> None:
    """A board that is not there is exit code 1, wrong use is 2."""
    message = (
        "absent: no such name on the network: check the spelling, try the board's IP address, or add a name to "
        "~/.ssh/config"
    )
    code, lines, errors = process("absent", "--json")
    assert (code, [json.loads(line) for line in lines]) == (1, [{"host": "absent", "error": message}])
    assert errors == f"[absent] error: {message.removeprefix('absent: ')}\n"
    code, _, errors = process("pi", "--reference", "23")
    assert (code, errors.splitlines()[-1]) == (
        2,
        "mixer-edge-export drift: error: argument --reference: invalid captures value: '23'",
    )


def test_looks_that_cannot_be_read(pi: StandIn) -> None:
    """There is no answer, and the file stays as it is."""
    write_captures(pi.home, stream(60))
    path = looks_path("pi")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    reason = "not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    assert process("pi", "--reference", "24") == (
        1,
        [],
        f"[pi] error: {path}: cannot be read ({reason}); expected the looks at pi; move it away to count from 1 "
        "again\n",
    )
    assert path.read_text() == "{"
