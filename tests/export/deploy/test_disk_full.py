"""A disk that is full from some step of a switch on: the old release stays in use, and nothing new remains."""

from __future__ import annotations

import shutil

import pytest
from tests.export.deploy.conftest import Deployer
from tests.stand_in_boards import StandIn

from mixer_edge_export.cli import main
from mixer_edge_export.deploy.board import Board
from mixer_edge_export.deploy.layout import UNIT, WRAPPER
from mixer_edge_export.deploy.service import Service
from mixer_edge_export.deploy.ssh import DeployError, RemoteError, connect
from mixer_edge_export.deploy.unit import Unit

PROGRAMS = ("mkdir", "ln", "cat", "chmod", "awk", "mv", "sync")
"""What the scripts of a switch call that writes to the disk."""

# The n-th call of these programs fails once; redirections have created their files by then.
FAILING = """
[ ! /dev/stdout -ef /dev/null ] || exec /usr/bin/{program} "$@"  # it holds a connection
case "{program} $*" in "cat "?* | "awk !"*) exec /usr/bin/{program} "$@" ;; esac  # they read
calls=$(wc -l < ~/.calls)
echo {program} >> ~/.calls
if [ "$calls" = "$(/bin/cat ~/.fails)" ]; then
    echo "{program}: write error: No space left on device" >&2
    exit 1
fi
exec /usr/bin/{program} "$@"
"""

# It writes the history.
FULL_AWK = 'case $* in "NF &&"*) echo "No space left on device" >&2; exit 2 ;; esac; exec /usr/bin/awk "$@"'


def fail(board: StandIn, number: int) -> None:
    """Have one call of a program on the board fail, the first one if ``number`` is 0."""
    (board.home / ".fails").write_text(str(number))
    (board.home / ".calls").write_text("")
    for program in PROGRAMS:
        board.program(program, FAILING.format(program=program))


def content(board: StandIn) -> dict[str, object]:
    """Return every file and link of deploy on the board with its content, without the folders of releases."""
    base, found = board.base, {}
    for path in (*base.iterdir(), *(board.home / WRAPPER).parent.glob("*"), *(board.home / UNIT).parent.glob("*")):
        if path.suffix != ".lock" and path.name not in ("releases", "history"):
            found[path.name] = path.readlink() if path.is_symlink() else path.read_text()
    return found | {"releases": board.releases}


@pytest.fixture
def two(board: StandIn) -> StandIn:
    """A board with a release in use, a previous one, and another that is not switched to yet."""
    releases = board.base / "releases"
    for name in ("before", "new.partial"):
        shutil.copytree(releases / str(board.current), releases / name, symlinks=True)
    (board.base / "previous").symlink_to("releases/before")
    return board


@pytest.mark.parametrize("in_use", [True, False])
def test_a_switch_fails_at_every_step_in_turn(two: StandIn, in_use: bool) -> None:
    """Whichever program fails, links, command and releases are the old ones; the switch after that succeeds."""
    if not in_use:
        for path in (two.base / "current", two.base / "previous", two.home / WRAPPER):
            path.unlink()
    before, failed = content(two), []
    while two.current != "new":
        fail(two, len(failed))
        with connect(two.host) as connection:
            try:
                Board(connection, lambda step, text: None).switch("new")
            except RemoteError:
                failed.append((two.home / ".calls").read_text().splitlines()[len(failed)])
                assert content(two) == before, failed
    renames = ["sync", "mv", "mv", "mv", "mv", "sync"]
    if in_use:
        assert failed == ["mkdir", "ln", "ln", "mkdir", "ln", "ln", "awk", *renames]
    else:
        assert failed == ["mkdir", "mkdir", "cat", "chmod", "ln", "awk", *renames]


def refused(board: StandIn, deployer: Deployer, **job: object) -> str:
    """Return the message of a deploy that must fail and change nothing but the programs' record."""
    before = content(board)
    with pytest.raises(DeployError) as caught:
        deployer(board, **job)
    assert content(board) == before
    return str(caught.value)


def test_a_deploy_whose_switch_fails(board: StandIn, deployer: Deployer) -> None:
    """The message says so, and the new release is removed."""
    board.program("awk", FULL_AWK)
    assert refused(board, deployer, variant="float16") == (
        f"{board.host}: No space left on device: switch failed, the board still runs {board.current}; "
        "free some space there, then repeat"
    )


def test_a_rollback_whose_switch_fails(two: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    """The board runs the same release."""
    before = content(two)
    two.program("awk", FULL_AWK)
    assert main(["rollback", two.host]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"[{two.host}] error: No space left on device: switch failed, the board still runs {two.current}; "
        "free some space there, then repeat"
    )
    assert content(two) == before


@pytest.mark.parametrize("old", ["", "# written by mixer-edge-export deploy\nold\n"])
def test_a_unit_fails_at_every_step_in_turn(board: StandIn, deployer: Deployer, old: str) -> None:
    """Before the switch; the old unit stays, or none, and no part of the new one."""
    (board.home / UNIT).parent.mkdir(parents=True)
    if old:
        (board.home / UNIT).write_text(old)
    board.program("systemd-analyze", "exit 0")
    before, failed = content(board), []
    while True:
        fail(board, len(failed))
        with connect(board.host) as connection:
            try:
                Unit(Board(connection, lambda step, text: None)).prepare("new")
            except RemoteError:
                failed.append((board.home / ".calls").read_text().splitlines()[len(failed)])
                assert content(board) == before, failed
            else:
                break
    assert failed == ["mkdir", "mkdir", "mkdir", "cat", *(["ln"] if old else []), "sync"]


def test_a_service_that_does_not_start(board: StandIn, deployer: Deployer) -> None:
    """The board runs the same release as before with the same unit, which is started again."""
    board.program("systemd-analyze", "exit 0")
    board.program("systemctl", "exit 0")
    deployer(board, service=Service.parse("watch:~/old"))
    log = 'echo "$*" >> ~/.log; case $* in *" restart "*) ! grep -q new ~/.config/systemd/user/*.service ;; esac'
    board.program("systemctl", log)
    name = board.current
    with pytest.raises(DeployError, match=f"the release failed after the switch, the board runs {name} again$"):
        deployer(board, variant="float16", service=Service.parse("watch:~/new"))
    assert board.current == name
    assert [path.name for path in (board.home / UNIT).parent.iterdir()] == ["mixer-edge.service"]
    assert "%h/old" in (board.home / UNIT).read_text()
    assert (board.home / ".log").read_text().splitlines()[-1] == "--user restart mixer-edge.service"


def test_a_first_service_that_does_not_start(board: StandIn, deployer: Deployer) -> None:
    """No unit remains."""
    board.program("systemd-analyze", "exit 0")
    board.program("systemctl", 'case $* in *" restart "*) exit 1 ;; esac')
    name = board.current
    with pytest.raises(DeployError, match=f"the release failed after the switch, the board runs {name} again$"):
        deployer(board, service=Service.parse("watch:~/new"))
    assert list((board.home / UNIT).parent.iterdir()) == []


def test_releases_that_cannot_be_tidied(board: StandIn, deployer: Deployer) -> None:
    """The new release is in use and works, so this is no failure."""
    shutil.copytree(board.base / "current", board.base / "releases/older", symlinks=True)
    board.program("mv", 'case $* in *older*) echo "mv: Input/output error" >&2; exit 1 ;; esac; exec /usr/bin/mv "$@"')
    outcome, said = deployer(board, variant="float16")
    assert said[-1] == ("tidy", "mv: Input/output error; the next deploy tries again")
    assert board.current == outcome.release
