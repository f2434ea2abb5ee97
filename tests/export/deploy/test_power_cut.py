"""What a power cut leaves: the order of flushes and renames on a board, and the repair of what is damaged.

The boards' ``mv`` and ``sync`` are the real ones, and keep a record. A file's content survives a cut only if it was
flushed after its last change; a name may survive without it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from tests.export.deploy.conftest import Deployer, First
from tests.stand_in_boards import StandIn, stand_in

from mixer_edge_export.cli import main
from mixer_edge_export.deploy.layout import BASE, UNIT, WRAPPER
from mixer_edge_export.deploy.service import Service

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
    final += [base / "history", home / ".local/bin/mixer-edge", home / ".config/systemd/user/mixer-edge.service"]
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
    outcome, _ = deployer(board, service=Service.parse("watch:~/in"))
    folder, name = UNIT.rsplit("/", 1)
    assert recorded(board) == [
        ("sync", f"{folder}/.mixer-edge.new/{name}"),
        ("sync", "-f ."),
        ("mv", f"releases/{outcome.release}"),
        ("mv", WRAPPER),
        ("mv", "current"),
        ("mv", "history"),
        ("sync", "-f ."),
        ("mv", UNIT),
        ("sync", folder),
    ]


def test_an_upgrade_loses_nothing_in_a_power_cut(board: StandIn, deployer: Deployer) -> None:
    """The command is not written again, and the unit is flushed before its rename."""
    record(board)
    outcome, _ = deployer(board, variant="float16", service=Service.parse("watch:~/in"))
    folder, name = UNIT.rsplit("/", 1)
    assert recorded(board) == [
        ("sync", f"{folder}/.mixer-edge.new/{name}"),
        ("sync", "-f ."),
        ("mv", f"releases/{outcome.release}"),
        ("mv", "previous"),
        ("mv", "current"),
        ("mv", "history"),
        ("sync", "-f ."),
        ("mv", UNIT),
        ("sync", folder),
    ]
    assert sorted(path.name for path in (board.home / folder).iterdir()) == [name]


def test_an_undeploy_leaves_no_part_of_a_release_in_a_power_cut(
    board: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    """The releases lose their names before their files, and everything is flushed before undeploy reports success."""
    record(board)
    assert main(["undeploy", board.host]) == 0
    assert recorded(board) == [("mv", "removed"), ("sync", "-f .")]


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
    """A power cut left them empty, and the parts of a unit that was being replaced."""
    (board.home / WRAPPER).write_text("")
    folder = (board.home / UNIT).parent
    (folder / ".mixer-edge.new").mkdir(parents=True)
    for name in ("mixer-edge.service", "mixer-edge.service.old", ".mixer-edge.new/mixer-edge.service"):
        (folder / name).write_text("")
    assert main(["undeploy", board.host]) == 0
    assert not (board.home / WRAPPER).exists()
    assert list(folder.iterdir()) == []


PACKAGE = "venv/lib/python3.*/site-packages/mixer_edge"


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (f"{PACKAGE}/**/*.py", "mixer_edge/__init__.py is damaged"),
        (f"{PACKAGE}/cli.py", "mixer_edge/cli.py is damaged"),
        (f"{PACKAGE}/commands/verify.py", "mixer_edge/commands/verify.py is damaged"),
        (f"{PACKAGE}/commands/watch.py", "mixer_edge/commands/watch.py is damaged"),
        (f"{PACKAGE}/../this_machine.pth", "this_machine.pth is damaged"),
        ("wheels/mixer_edge-*.whl", "requirements.txt or a wheel is damaged"),
        ("requirements.txt", "requirements.txt or a wheel is damaged"),
    ],
)
def test_a_release_with_empty_files(
    board: StandIn, deployer: Deployer, capsys: pytest.CaptureFixture[str], pattern: str, reason: str
) -> None:
    """The board's verify and a rollback to it fail in one line that says what to do; the next deploy repairs it."""
    name, host = str(board.current), board.host
    message = f"release {name} cannot run: {reason}; deploy again"
    emptied = [path for path in (board.base / "current").glob(pattern) if path.is_file()]
    assert emptied
    for path in emptied:
        path.write_bytes(b"")
    done = mixer_edge(board, "verify", f"{BASE}/current/bundle", "--variant", "int8")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {message}\n")
    (board.base / "current").unlink()
    assert main(["rollback", host, "--to", name]) == 1
    assert capsys.readouterr().err == f"[{host}] verify   {name}\n[{host}] error: {message}\n"
    (board.base / "current").symlink_to(f"releases/{name}")
    outcome, said = deployer(board)
    assert ("verify", f"{message.removesuffix('deploy again')}installing a new copy") in said
    assert (outcome.release, board.current) == (f"{name}-2", f"{name}-2")
    assert mixer_edge(board, "verify", f"{BASE}/current/bundle", "--variant", "int8").returncode == 0


@pytest.mark.parametrize("module", ["cli", "__init__", "commands/classify", "classifier"])
def test_a_command_of_a_release_with_an_empty_module(board: StandIn, module: str) -> None:
    """It never ends with exit code 0 or a traceback."""
    (package,) = (board.base / "current").glob(PACKAGE)
    (package / f"{module}.py").write_bytes(b"")
    done = mixer_edge(board, "classify", f"{BASE}/current/bundle", f"{BASE}/current/smoke.png")
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        f"error: release {board.current} cannot run: mixer_edge/{module}.py is damaged; deploy again\n",
    )


def test_an_empty_golden_picture_is_repaired(board: StandIn, deployer: Deployer) -> None:
    """Nothing but the switch reads it, so deploy checks it before."""
    name = board.current
    (board.base / "current/smoke.png").write_bytes(b"")
    outcome, said = deployer(board)
    assert ("verify", f"smoke.png of release {name} is not the one of this machine; installing a new copy") in said
    assert (outcome.release, outcome.label) == (f"{name}-2", "bird")


def test_another_bundle_in_a_release(board: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    """The bundle is intact, but not the release's: rollback refuses it."""
    name, host = str(board.current), board.host
    release = board.base / "releases" / name / "release.json"
    release.write_text(release.read_text().replace('"bundle": "', '"bundle": "0'))
    (board.base / "current").unlink()
    assert main(["rollback", host, "--to", name]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"[{host}] error: the bundle of release {name} is not the one in its release.json; deploy again"
    )


def mixer_edge(board: StandIn, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the board's command in its home folder."""
    return subprocess.run(
        ["sh", "-c", f'~/{WRAPPER} "$@"', "sh", *arguments],
        cwd=board.home,
        env={"HOME": str(board.home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
