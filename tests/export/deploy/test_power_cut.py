"""What a power cut leaves: the order of flushes and renames on a board, and the repair of what is damaged.

The boards' ``mv`` and ``sync`` are the real ones, and keep a record. A file's content survives a cut only if it was
flushed after its last change; a name may survive without it.
"""

from __future__ import annotations

import json
import sys

import pytest
from tests.export.deploy.conftest import Deployer, First
from tests.stand_in_boards import StandIn, stand_in

from mixer_edge_export.cli import main
from mixer_edge_export.deploy.layout import WRAPPER
from mixer_edge_export.deploy.service import UNIT, Service

RECORDER = """
import json, os, pathlib, subprocess, sys

program, arguments = sys.argv[1], sys.argv[2:]
home = pathlib.Path(os.environ["HOME"])
durable, log = home / ".durable", home / ".cuts"


def identity(path):
    facts = path.stat()
    return f"{facts.st_ino} {facts.st_size} {facts.st_mtime_ns}"


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


code = subprocess.run([f"/bin/{program}", *arguments]).returncode
flushed = set(durable.read_text().splitlines()) if durable.exists() else set()
if program == "sync":
    paths = files(home) if "-f" in arguments else [path for path in map(pathlib.Path, arguments) if path.is_file()]
    durable.write_text("\\n".join(flushed | {identity(path) for path in paths}))
    entry = {"sync": arguments}
else:
    base = home / ".local/share/mixer-edge"
    final = [path for path in files(base / "releases") if ".partial" not in path.relative_to(base).parts[1]]
    final += [home / name for name in (".local/bin/mixer-edge", ".config/systemd/user/mixer-edge.service")]
    final = [path for path in final if path.exists() and "__pycache__" not in path.parts]
    entry = {"mv": arguments[-1], "lost": [str(path) for path in final if identity(path) not in flushed]}
with log.open("a") as file:
    print(json.dumps(entry), file=file)
sys.exit(code)
"""


def record(board: StandIn) -> None:
    """Have the board's ``mv`` and ``sync`` keep a record."""
    recorder = board.home / ".programs/recorder.py"
    recorder.write_text(RECORDER)
    for program in ("mv", "sync"):
        board.program(program, f'exec {sys.executable} -IS {recorder} {program} "$@"')


def recorded(board: StandIn) -> list[tuple[str, str]]:
    """Return the record as (program, what it names), and forget it; a cut after any rename has lost nothing."""
    entries = [json.loads(entry) for entry in (board.home / ".cuts").read_text().splitlines()]
    (board.home / ".cuts").unlink()
    for entry in entries:
        assert entry.get("lost", []) == [], f"after the rename to {entry['mv']}"
    home = f"{board.home}/"
    return [("mv", e["mv"].removeprefix(home)) if "mv" in e else ("sync", " ".join(e["sync"])) for e in entries]


def test_a_first_deploy_loses_nothing_in_a_power_cut(first: First, deployer: Deployer) -> None:
    """Everything is flushed before the first rename, and the renames before deploy reports success."""
    board = stand_in("cut")
    record(board)
    outcome, _ = deployer(board)
    assert recorded(board) == [
        ("sync", "-f ."),
        ("mv", f"releases/{outcome.release}"),
        ("mv", WRAPPER),
        ("mv", "current"),
        ("sync", "-f ."),
    ]


def test_an_upgrade_loses_nothing_in_a_power_cut(board: StandIn, deployer: Deployer) -> None:
    """The command is not written again, and the unit is flushed before its rename."""
    record(board)
    outcome, _ = deployer(board, variant="float16", service=Service.parse("watch:~/in"))
    folder, name = UNIT.rsplit("/", 1)
    assert recorded(board) == [
        ("sync", "-f ."),
        ("mv", f"releases/{outcome.release}"),
        ("mv", "previous"),
        ("mv", "current"),
        ("sync", "-f ."),
        ("sync", f"{folder}/.mixer-edge.new/{name}"),
        ("mv", UNIT),
        ("sync", folder),
    ]
    assert sorted(path.name for path in (board.home / folder).iterdir()) == [name]


def test_an_empty_command_and_an_empty_unit_are_repaired(
    board: StandIn, deployer: Deployer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A power cut left them empty: status names the command, and the next deploy writes both again."""
    (board.home / WRAPPER).write_text("")
    (board.home / UNIT).parent.mkdir(parents=True)
    (board.home / UNIT).write_text("")
    assert main(["status", board.host]) == 0
    assert capsys.readouterr().err == (
        f"[{board.host}] status   ~/{WRAPPER} there is not the one that deploy writes; deploy again\n"
    )
    deployer(board, service=Service.parse("watch:~/in"))
    assert board.run(f"~/{WRAPPER} --version") == "0.1.0\n"
    assert "mixer-edge watch" in (board.home / UNIT).read_text()


def test_undeploy_removes_an_empty_command_and_an_empty_unit(
    board: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    """A power cut left them empty."""
    (board.home / WRAPPER).write_text("")
    (board.home / UNIT).parent.mkdir(parents=True)
    (board.home / UNIT).write_text("")
    assert main(["undeploy", board.host]) == 0
    assert not (board.home / WRAPPER).exists()
    assert not (board.home / UNIT).exists()
