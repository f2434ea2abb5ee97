"""A release whose Python is gone, as after an upgrade of the board's system: every command says what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.export.deploy.conftest import Deployer
from tests.stand_in_boards import StandIn, write_program

from mixer_edge_export.cli import main
from mixer_edge_export.deploy.layout import BASE, WRAPPER


def removed(venv: Path) -> str:
    """Remove the Python that the venv leads to, and return what is said about it."""
    (venv / "bin/python").unlink()
    (venv / "bin/python").symlink_to("/usr/bin/python3.0")
    return f"no Python at {venv}/bin/python"


def replaced(venv: Path) -> str:
    """Make the venv's Python another version than that of its packages."""
    (packages,) = (venv / "lib").iterdir()
    packages.rename(venv / "lib/python3.0")
    return "it was installed for another Python, this is {}.{}".format(*sys.version_info[:2])


@pytest.mark.parametrize("change", [removed, replaced])
def test_a_release_without_its_python(
    board: StandIn, deployer: Deployer, capsys: pytest.CaptureFixture[str], change: Callable[[Path], str]
) -> None:
    """Status, the command and rollback name the remedy, and the next deploy repairs it."""
    name, host = str(board.current), board.host
    venv = board.base.resolve() / "releases" / name / "venv"
    message = f"release {name} cannot run: {change(venv)}"
    assert main(["status", host]) == 0
    told = capsys.readouterr()
    assert told.err == f"[{host}] status   {message}; deploy again\n"
    assert f"  damaged: deploy again  -        {name}  " in told.out
    assert main(["status", host, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["command_error"] == message
    classify = f"~/{WRAPPER} classify {BASE}/current/bundle {BASE}/current/smoke.png"
    done = subprocess.run(
        ["sh", "-c", classify], cwd=board.home, env={"HOME": str(board.home)}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {message}; deploy again\n")
    outcome, said = deployer(board)
    assert ("verify", f"{message}; installing a new copy") in said
    assert (outcome.release, board.previous) == (f"{name}-2", name)
    assert main(["status", host]) == 0
    assert capsys.readouterr().err == ""
    assert main(["rollback", host]) == 1
    assert capsys.readouterr().err == f"[{host}] verify   {name}\n[{host}] error: {message}; deploy again\n"
    assert board.current == f"{name}-2"


def test_a_python_that_crashes(board: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    """It says nothing itself."""
    python = board.base / "current/venv/bin/python"
    python.unlink()
    write_program(python, "#!/bin/sh\nkill -SEGV $$\n")
    assert main(["status", board.host]) == 0
    assert capsys.readouterr().err == (
        f"[{board.host}] status   ~/{WRAPPER} there ends without a message; deploy again\n"
    )
