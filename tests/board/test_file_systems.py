"""The board's file systems in trouble, for real and in memory. The boards are folders on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from tests.board.folders import CLASSIFY, Ready, check_board, small_disk

from mixer_edge.cache import CACHE_VARIABLE
from mixer_edge_export.deploy.layout import BASE, WRAPPER

DEPLOYS = 100
VARIANTS = ("int8", "float16", "int8-dynamic")
"""More than a board keeps, so that each deploy installs one and removes another."""


def run(command: list[str], **environment: str) -> tuple[int, list[str]]:
    """Return the exit code and the standard error of a command of the workstation."""
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.splitlines()


def used_inodes(folder: Path) -> int:
    """Return how many inodes a folder's file system uses."""
    facts = os.statvfs(folder)
    return facts.f_files - facts.f_ffree


def test_no_inodes_left(ready: Ready, capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever they end, the board runs the old release and one line says why; nothing of the new one remains."""
    home, more, failed = ready.board.home, 1, Counter[str]()
    with small_disk(home):
        ready.fill("int8")
        used = used_inodes(home)
    while True:
        with small_disk(home, f"nr_inodes={used + more}"):
            ready.fill("int8")
            code, said = run(ready.command("deploy"))
            if code == 0:
                assert check_board(ready) == "float16"
                break
            end = f"failed, the board still runs {ready.names['int8']}; free some space there, then repeat"
            found = re.fullmatch(rf"\[pi\] error: .*No space left on device.*: (\w+) {end}", said[-1])
            assert found is not None, said
            failed[found[1]] += 1
            assert check_board(ready) == "int8"
            assert ready.board.releases == {ready.names["int8"]}
        more *= 3
    assert {"copy", "install"} <= failed.keys()
    with capsys.disabled():
        print(f"\nfailed steps: {dict(failed)}; {more} inodes were enough")


def test_a_read_only_file_system(ready: Ready) -> None:
    """One line says so, and the release on the board works."""
    with small_disk(ready.board.home) as home:
        ready.fill("int8")
        subprocess.run(["mount", "-o", "remount,ro", home], check=True)
        for command in ("deploy", "rollback", "undeploy"):
            code, said = run(ready.command(command))
            assert (code, said[-1]) == (
                1,
                f"[pi] error: cannot write ~/{BASE}: mixer-edge-deploy: 3: cannot create deploy.lock: "
                "Read-only file system",
            )
        assert ready.board.run(CLASSIFY) == ready.said["int8"]


def test_releases_and_command_on_other_disks(ready: Ready) -> None:
    """A deploy, a rollback and an undeploy flush each of the disks."""
    home = ready.board.home
    releases, command = home / Path(BASE).parent, (home / WRAPPER).parent
    with small_disk(home), small_disk(releases), small_disk(command):
        ready.fill("int8")
        ready.board.program("sync", 'cd "$PWD" && readlink -f "$2" >> "$HOME/.synced"; exec /usr/bin/sync "$@"')
        for name, flushed, variant in (
            ("deploy", [home / BASE, command] * 2, "float16"),
            ("rollback", [home / BASE, command] * 2, "int8"),
            ("undeploy", [home, releases, command], None),
        ):
            assert run(ready.command(name))[0] == 0
            assert (home / ".synced").read_text().splitlines() == [str(folder) for folder in flushed]
            (home / ".synced").unlink()
            assert variant is None or check_board(ready) == variant
        assert list(releases.iterdir()) == list(command.iterdir()) == []


def test_another_board_under_the_same_name(ready: Ready) -> None:
    """A swapped SD card: this machine remembers nothing of the board before, and begins with a first deploy."""
    with small_disk(ready.board.home):
        shutil.copytree(ready.kept / "int8/.programs", ready.board.home / ".programs")
        refusal = "[pi] error: no release to go back to; others there: none"
        assert run(ready.command("rollback")) == (1, [refusal])
        assert run(ready.command("deploy"))[0] == 0
        assert (check_board(ready), ready.board.previous) == ("float16", None)


def test_100_deploys_from_two_workstations(ready: Ready, tmp_path: Path) -> None:
    """In turn, each of a release that is not there: the board has as many files and bytes as three deploys before."""
    ready.restore("int8")
    seen = list[tuple[int, int]]()
    for number in range(DEPLOYS):
        command = [*ready.command("deploy")[:-1], VARIANTS[(number + 1) % 3]]
        code, said = run(command, **{CACHE_VARIABLE: str(tmp_path / f"workstation-{number % 2}")})
        assert code == 0, said
        assert not any("already there" in line for line in said)
        sizes = {file.st_ino: file.st_size for file in (path.lstat() for path in ready.board.home.rglob("*"))}
        seen.append((len(sizes), sum(sizes.values())))
        assert len(ready.board.releases) == 2
        assert number < 6 or seen[number] == seen[number - 3]
