"""The output of a board, parsed; the board's Python is a script that prints it."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.releases import RELEASE
from tests.stand_in_boards import StandIn, stand_in, write_program

from mixer_edge.benchmark import BenchmarkReport, BenchmarkRow, Latency, Temperatures
from mixer_edge.board import Board as Machine
from mixer_edge.classifier import Category, Classification
from mixer_edge.strict_json import line
from mixer_edge.verify import Verification, VerifyReport
from mixer_edge_export.cli import main
from mixer_edge_export.deploy import board as deploy_board
from mixer_edge_export.deploy import ssh
from mixer_edge_export.deploy.board import Board
from mixer_edge_export.deploy.layout import WRAPPER
from mixer_edge_export.deploy.ssh import DeployError, RemoteError, connect

VERIFICATION = Verification(
    variant="int8",
    backend="ai-edge-litert",
    bit_equal=False,
    max_error=0.0046,
    tolerance=0.1,
    top_1_equal=4,
    count=4,
    passed=True,
)
LATENCY = Latency(median_ms=2.5, p90_ms=3.0, p99_ms=4.0, runs=10)
FIGURES = BenchmarkReport(
    bundle="ab",
    variant="int8",
    backend="ai-edge-litert",
    board=Machine(name="Raspberry Pi 5", machine="aarch64", cpus=4, governor="ondemand"),
    temperature_celsius=Temperatures(before=48.0, after=49.5),
    throttling=None,
    rows=(BenchmarkRow(threads=1, network=LATENCY, photo_to_label=LATENCY),),
)
SEVEN = Classification(image="smoke.png", categories=(Category(index=7, label="seven", probability=0.9),), none=False)


@pytest.fixture
def pi(boards: Path) -> StandIn:
    """A board with an empty release in use."""
    pi = stand_in("pi")
    (pi.base / "releases/abc").mkdir(parents=True)
    (pi.base / "releases/abc/release.json").write_text(line(RELEASE))
    (pi.base / "current").symlink_to("releases/abc")
    return pi


def prints(pi: StandIn, *, code: int = 0, **outputs: str) -> None:
    """Have the board's mixer-edge print these texts, each for the command of its name, and end with ``code``."""
    cases = "".join(f"    {command}) cat <<'END'\n{text}\nEND\n    ;;\n" for command, text in outputs.items())
    script = f"for word; do case $word in\n{cases}esac; done\nexit {code}\n"
    python = write_program(pi.base / "releases/abc/venv/bin/python", f"#!/bin/sh\n{script}")
    write_program(pi.home / WRAPPER, f'#!/bin/sh\nexec {python} -m mixer_edge "$@"\n')


@contextmanager
def connected(pi: StandIn) -> Iterator[Board]:
    """Yield the board as deploy sees it."""
    with connect(pi.host) as connection:
        yield Board(connection, lambda step, text: None)


def report(**changes: object) -> str:
    """Return what ``verify`` prints of one variant."""
    result = replace(VERIFICATION, **changes)  # type: ignore[arg-type]
    return line(VerifyReport(fingerprint="ab", files=3, skipped={}, variants=(result,)))


def test_verify_returns_what_the_board_found(pi: StandIn) -> None:
    """Every field."""
    prints(pi, verify=report())
    with connected(pi) as board:
        assert board.verify("abc", RELEASE) == VERIFICATION


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"max_error": 0.25}, "int8 differs by 0.25 of the largest output, tolerance 0.1"),
        ({"max_error": None}, "int8 gives an output that is not a number"),
    ],
)
def test_verify_fails_where_the_board_computes_something_else(
    pi: StandIn, changes: dict[str, object], says: str
) -> None:
    """Exit code 1 and a report: the message has the numbers."""
    prints(pi, code=1, verify=report(passed=False, **changes))
    with connected(pi) as board, pytest.raises(RemoteError) as caught:
        board.verify("abc", RELEASE)
    assert str(caught.value) == (f"pi: the board's outputs differ from the workstation's: {says} (ai-edge-litert)")


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        ("", "not JSON: Expecting value: line 2 column 1 (char 1)"),
        ('{"fingerprint": "ab"}', "no field 'files'"),
        (report(max_error="small"), "field 'variants[0].max_error' is \"small\", expected float"),
        (report().replace('"passed": true', '"passed": true, "score": 1'), "unknown field 'variants[0].score'"),
    ],
)
def test_output_that_cannot_be_read(pi: StandIn, printed: str, reason: str) -> None:
    """Nothing, an older report, another type, a newer one."""
    prints(pi, verify=printed)
    with connected(pi) as board, pytest.raises(RemoteError) as caught:
        board.verify("abc", RELEASE)
    assert str(caught.value) == (
        f"pi: this version cannot read the output of its mixer-edge 0.1.0 ({reason}); deploy again"
    )


def test_smoke_returns_label_and_figures(pi: StandIn) -> None:
    """Of a classifier both, of a feature extractor the figures."""
    prints(pi, classify=line(SEVEN), benchmark=line(FIGURES))
    with connected(pi) as board:
        assert board.smoke(RELEASE) == ("seven", FIGURES)
        assert board.smoke(replace(RELEASE, task="embedding")) == (None, FIGURES)


def test_smoke_of_a_command_that_prints_nothing(pi: StandIn) -> None:
    """This is an error."""
    prints(pi)
    with connected(pi) as board, pytest.raises(RemoteError, match=r"mixer-edge 0\.1\.0 \(not JSON: Expecting value"):
        board.smoke(RELEASE)


def test_benchmark_prints_the_boards_figures(pi: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    """A row per thread count, or the board's own JSON with the host."""
    prints(pi, benchmark=line(FIGURES))
    assert main(["benchmark", "pi", "--runs", "3"]) == 0
    assert re.split("  +", capsys.readouterr().out.splitlines()[1]) == [
        *("pi", "Raspberry Pi 5", "int8", "ai-edge-litert", "1", "2.5 ms", "3.0 ms", "2.5 ms", "49.5 °C"),
    ]
    assert main(["benchmark", "pi", "--json"]) == 0
    assert capsys.readouterr().out == '{"host": "pi", ' + line(FIGURES)[1:] + "\n"


def test_benchmark_of_a_board_without_a_release(boards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says what to do."""
    stand_in("bare")
    assert main(["benchmark", "bare"]) == 1
    assert capsys.readouterr().err == "[bare] error: nothing is deployed there; deploy a bundle first\n"


def test_a_copy_waits_for_the_lock_so_long(pi: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what holds it; when it is free, the copy is made."""
    monkeypatch.setattr(ssh, "COPY_WAIT_S", 0)
    (tmp_path / "source").mkdir()
    (tmp_path / "source/file").write_text("x")
    with connected(pi) as board, (pi.base / "step.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DeployError, match="^pi: a step of an earlier deploy still runs there after 0 s; repeat"):
            board.copy(tmp_path / "source", "releases/new.partial")
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert board.copy(tmp_path / "source", "releases/new.partial") == 1
    assert (pi.base / "releases/new.partial/file").read_text() == "x"


def test_a_connection_that_is_lost_while_locked(pi: StandIn) -> None:
    """A command without its master connection is a lost connection, and the lock is free again."""
    with connected(pi) as board:
        with board.locked():
            pass
        socket = next(word.partition("=")[2] for word in board.connection.options if word.startswith("ControlPath="))
        Path(socket).unlink()
        with pytest.raises(DeployError, match="^pi: the connection was lost"):
            board.prepare("new")
    with connected(pi) as board, board.locked():
        board.prepare("new")
    assert pi.releases == {"abc", "new.partial"}


def test_a_board_that_does_not_lock_its_releases(
    pi: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rollback and undeploy end with one line; before, they waited without a limit."""
    monkeypatch.setattr(deploy_board, "LOCK_S", 0.2)
    pi.program("mkdir", "exec cat >/dev/null")
    for command in ("rollback", "undeploy"):
        assert main([command, "pi"]) == 1
        assert capsys.readouterr().err == (
            "[pi] error: ~/.local/share/mixer-edge there is not locked in 0.2 s: its disk or memory may be the reason; "
            "repeat later, or restart it first\n"
        )
    assert pi.current == "abc"


def test_a_lock_that_does_not_end(pi: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine does not wait for it."""
    monkeypatch.setattr(deploy_board, "LOCK_S", 0.2)
    with connected(pi) as board:
        pi.program("cat", "exec sleep 600")
        with board.locked():
            board.prepare("new")
    assert pi.releases == {"abc", "new.partial"}
