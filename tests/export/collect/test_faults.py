"""What goes wrong while pictures come home: nothing wrong is put into place, nothing is lost, and it is one line."""

from __future__ import annotations

import fcntl
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from tests.collecting import sha256
from tests.export.collect.conftest import Collector, Owner
from tests.full_disk import full_disk
from tests.releases import RELEASE

from mixer_edge.captured.store import read_captured
from mixer_edge.collected import Row
from mixer_edge_export.collect import action, photos
from mixer_edge_export.collect.action import collect as collect_board
from mixer_edge_export.collect.photos import opened
from mixer_edge_export.deploy.board import Board
from mixer_edge_export.deploy.ssh import connect

Make = Callable[[str], Owner]
ONE, TWO, THREE = map(sha256, (b"one", b"two", b"three"))
LOST = "rsync: connection unexpectedly closed (3 bytes received so far) [receiver]"
PATIENCE_S = 60
COPY = """
for word; do target=$word; case $word in --files-from=*) list=${word#*=} ;; esac; done
set -- $(tr '\\0' ' ' < "$list")
cp "/$1" "$target"
head -c 1 "/$2" > "$target/${2##*/}"
"""
HALF = f'{COPY}echo "{LOST}" >&2\nexit 12'
"""rsync that copies a picture and a part of the next one."""


def test_a_cut_connection(owner: Make, collect: Collector) -> None:
    """What was copied whole is not copied again, a part is continued, and nothing partial is ever in place."""
    board = owner("garden")
    for content in (b"one", b"two", b"three"):
        board.capture(content)
    board.board.program("rsync", HALF)
    output, errors = collect("garden", code=1)
    assert output[1].split()[:2] == ["garden", "FAILED"]
    assert errors[1] == (
        f"[garden] error: the connection was lost ({LOST}); the board still runs the same release; repeat the command, "
        "it continues where it stopped"
    )
    staging = ".collecting/garden"
    assert collect.files() == {f"{staging}/{ONE}.jpg", f"{staging}/{TWO}.jpg"}
    assert (collect.photos / staging / f"{TWO}.jpg").read_bytes() == b"t"
    asked = board.board.home / "asked"
    (board.board.home / ".programs/rsync").unlink()
    real = Path(str(board.board.home.parent.parent / "bin/rsync"))
    board.board.program(
        "rsync",
        f'for word; do case $word in --files-from=*) cp "${{word#*=}}" {asked} ;; esac; done\nexec {real} "$@"',
    )
    output, _ = collect("garden")
    assert output[1].split() == ["garden", "3", "3", "0", "3", "0", "-"]
    assert {Path(name).stem for name in asked.read_text().split("\0") if name} == {TWO, THREE}
    assert collect.files() == {f"unsorted/{name}.jpg" for name in (ONE, TWO, THREE)}
    assert (collect.photos / f"unsorted/{TWO}.jpg").read_bytes() == b"two"


def test_killed_while_it_copies(owner: Make, collect: Collector) -> None:
    """The next call takes the lock, uses what is there, and ends with the same folder."""
    board = owner("garden")
    board.capture(b"one", "cat")
    board.capture(b"two")
    copying, killed = board.board.home / "copying", board.board.home / "killed"
    board.board.program("rsync", f"{COPY}\ntouch {copying}\nuntil [ -e {killed} ]; do /bin/sleep 0.05; done\nexit 12")
    command = [sys.executable, "-m", "mixer_edge_export", "collect", "garden", "--out", str(collect.photos)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not copying.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            process.kill()
            process.wait()
        finally:
            killed.touch()
    assert process.returncode == -signal.SIGKILL
    assert collect.files() == {f".collecting/garden/{name}.jpg" for name in (ONE, TWO)}
    (board.board.home / ".programs/rsync").unlink()
    output, _ = collect("garden")
    assert output[1].split() == ["garden", "2", "2", "0", "1", "0", "-"]
    assert collect.files() == {f"cat/{ONE}.jpg", f"unsorted/{TWO}.jpg"}
    assert (collect.photos / f"unsorted/{TWO}.jpg").read_bytes() == b"two"


def test_damaged_pictures_on_the_board(owner: Make, collect: Collector) -> None:
    """Another content, a link and a file that is gone by then are said; the others come, and the damaged ones stay."""
    board = owner("garden")
    for content in (b"one", b"two", b"three", b"four"):
        board.capture(content)
    pictures = board.captured / "pictures"
    (pictures / f"{ONE}.jpg").write_bytes(b"eno")
    (pictures / f"{TWO}.jpg").unlink()
    (pictures / f"{TWO}.jpg").symlink_to("/etc/hostname")
    real = board.board.home.parent.parent / "bin/rsync"
    board.board.program("rsync", f'rm -f {pictures}/{THREE}.jpg\nexec {real} "$@"')
    output, errors = collect("garden", "--forget", code=1)
    assert output[1].split() == ["garden", "4", "1", "0", "4", "3", "1"]
    assert [line for line in errors if line.startswith("error")] == sorted(
        [
            f"error: garden: {pictures}/{ONE}.jpg: it is damaged, its sha256 is {sha256(b'eno')}",
            f'error: garden: {pictures}/{TWO}.jpg: skipping non-regular file "{TWO}.jpg"',
            f'error: garden: {pictures}/{THREE}.jpg: rsync: [sender] link_stat "{pictures}/{THREE}.jpg" failed: '
            "No such file or directory (2)",
        ]
    )
    assert collect.files() == {f"unsorted/{sha256(b'four')}.jpg"}
    assert {found.file[:64] for found in read_captured(board.captured)} == {ONE, TWO, THREE}


def test_this_machines_disk_is_full(owner: Make, collect: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """While rsync writes, and while the table is written; nothing is forgotten, and the next call goes on."""
    board = owner("garden")
    board.capture(b"one")
    board.board.program(
        "rsync", 'echo "rsync: [receiver] write failed on x: No space left on device (28)" >&2; exit 11'
    )
    _, errors = collect("garden", "--forget", code=1)
    assert errors[1] == (
        f"[garden] error: this machine's disk is full ({collect.photos}); free some space here, then repeat"
    )
    (board.board.home / ".programs/rsync").unlink()
    write = photos.write_rows

    def write_rows(folder: Path, rows: Iterable[Row]) -> None:
        with full_disk(100):
            write(folder, rows)

    with monkeypatch.context() as patch:
        patch.setattr(photos, "write_rows", write_rows)
        _, errors = collect("garden", "--forget", code=1)
    assert errors[1] == (
        f"[garden] error: {collect.photos}: cannot be written (File too large); repair this, then repeat"
    )
    assert not (collect.photos / "collected.csv").exists()
    assert len(read_captured(board.captured)) == 1
    output, _ = collect("garden", "--forget")
    assert output[1].split() == ["garden", "1", "0", "0", "1", "0", "1"]
    assert collect.table()[1].startswith(f"unsorted/{ONE}.jpg,")


def test_links_here(owner: Make, collect: Collector, tmp_path: Path) -> None:
    """Nothing is written through a link: neither into a class, nor where copies wait, nor over the table."""
    board = owner("garden")
    board.capture(b"one", "cat")
    board.capture(b"two")
    board.capture(b"three")
    (tmp_path / "elsewhere").mkdir()
    (collect.photos / "unsorted").mkdir(parents=True)
    (collect.photos / "cat").symlink_to(tmp_path / "elsewhere")
    (collect.photos / f"unsorted/{THREE}.jpg").symlink_to(tmp_path / "elsewhere/three.jpg")
    refused = "is a link or a file, expected a folder; move it away"
    output, errors = collect("garden", code=1)
    assert output[1].split() == ["garden", "3", "1", "0", "2", "2", "-"]
    one, three = (board.captured / f"pictures/{name}.jpg" for name in (ONE, THREE))
    link = f"{collect.photos}/unsorted/{THREE}.jpg"
    assert [line for line in errors if line.startswith("error")] == sorted(
        [
            f"error: garden: {one}: {collect.photos}/cat: {refused}",
            f"error: garden: {three}: {link}: is a link or a folder, expected the picture of this name; move it away",
        ]
    )
    assert list((tmp_path / "elsewhere").iterdir()) == []
    shutil.rmtree(collect.photos / ".collecting/garden")
    (collect.photos / ".collecting/garden").symlink_to(tmp_path / "elsewhere")
    _, errors = collect("garden", code=1)
    assert errors[1] == f"[garden] error: {collect.photos}/.collecting/garden: {refused}"
    assert list((tmp_path / "elsewhere").iterdir()) == []
    (collect.photos / "collected.csv").rename(tmp_path / "table")
    (collect.photos / "collected.csv").symlink_to(tmp_path / "table")
    assert collect("garden", code=2) == (
        [],
        [f"error: {collect.photos}/collected.csv: is a link, expected a file; remove the link"],
    )


def test_a_folder_that_cannot_be_used(owner: Make, collect: Collector) -> None:
    """Another process, another table, and a file instead of a folder: no board is asked."""
    collect.photos.mkdir()
    with (collect.photos / ".collect.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert collect("garden", code=2)[1] == [
            f"error: {collect.photos}: another process collects into it; wait for it to end, or choose another folder "
            "with --out"
        ]
    (collect.photos / "mine.csv").touch()
    assert collect("garden", code=2)[1] == [
        f"error: {collect.photos}: has a table of its own, mine.csv; choose another folder with --out"
    ]
    (collect.photos / "mine.csv").rename(collect.photos / "file")
    collect = Collector(collect.photos / "file", collect.capsys)
    assert collect("garden", code=2)[1] == [
        f"error: {collect.photos}: cannot be written to (File exists); choose another folder with --out"
    ]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            "echo \"error: argument COMMAND: invalid choice: 'kept'\" >&2; exit 2",
            f"its mixer-edge {RELEASE.mixer_edge} cannot list its pictures; deploy again",
        ),
        (
            "echo '{}'",
            f"this version cannot read the output of its mixer-edge {RELEASE.mixer_edge} (no field 'file'); "
            "deploy again",
        ),
        ("echo 'error: taught.sqlite: damaged' >&2; exit 2", "error: taught.sqlite: damaged"),
    ],
)
def test_a_board_that_cannot_list_its_pictures(owner: Make, collect: Collector, script: str, reason: str) -> None:
    """It runs an older release, or what it keeps is damaged."""
    owner("garden").runs(script)
    assert collect("garden", code=1)[1][0] == f"[garden] error: {reason}"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            '"file": "/home/../etc/passwd"',
            "it keeps a picture as '/home/../etc/passwd', expected /.../<sha256>.<ending>",
        ),
        (f'"file": "{ONE}.jpg"', f"it keeps a picture as '{ONE}.jpg', expected /.../<sha256>.<ending>"),
        (f'"file": "/{TWO}.jpg"', f"it keeps a picture as '/{TWO}.jpg', expected /.../<sha256>.<ending>"),
        ('"label": "\\\\ud800"', f"what it says about {ONE}.jpg is no text; forget this picture there"),
    ],
)
def test_a_board_that_says_what_cannot_be(owner: Make, collect: Collector, change: str, reason: str) -> None:
    """Its names never lead out of the folder here."""
    board = owner("garden")
    board.capture(b"one", "cat")
    key = change.partition(":")[0]
    command = (board.board.home / ".local/bin/mixer-edge").read_text().splitlines()[-1].removeprefix("exec ")
    board.runs(f'{command} | sed \'s|{key}: "[^"]*"|{change}|\'')
    assert collect("garden", code=1)[1][0] == f"[garden] error: {reason}"
    assert collect.files() == set()


def test_a_board_without_a_release(owner: Make, collect: Collector) -> None:
    """There is no command that could list the pictures."""
    board = owner("garden")
    (board.board.base / "current").unlink()
    assert collect("garden", code=1)[1][0] == "[garden] error: nothing is deployed there; deploy a bundle first"


class Stop(BaseException):
    """A process that ends here."""


@pytest.mark.parametrize("step", ["sync_one", "write_rows", "forget"])
def test_stopped_at_any_step(owner: Make, collect: Collector, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next call ends with the same folder and table, and the board has forgotten nothing that is not here."""
    board = owner("garden")
    board.capture(b"one", "cat")
    board.capture(b"two")
    monkeypatch.setattr(action, "CHUNK", 1)
    module = photos if hasattr(photos, step) else action
    whole, calls = getattr(module, step), 0

    def stops(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2 or step == "forget":
            raise Stop
        return whole(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, step, stops)
        with pytest.raises(Stop), opened(collect.photos) as folder, connect("garden") as connection:
            collect_board(Board(connection, lambda *_: None), folder, free=True)
    assert len(read_captured(board.captured)) == 2
    collect("garden", "--forget")
    assert collect.files() == {f"cat/{ONE}.jpg", f"unsorted/{TWO}.jpg"}
    assert [row.split(",")[:3] for row in collect.table()[1:]] == [
        [f"cat/{ONE}.jpg", "cat", "label"],
        [f"unsorted/{TWO}.jpg", "", ""],
    ]
    assert read_captured(board.captured) == []
