"""The workstation in trouble: its program is killed, its disk is full. The boards are folders on this machine."""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.stand_in_boards import StandIn, stand_in, use_stand_in_packages, use_stand_ins

from mixer_edge.cache import CACHE_VARIABLE
from mixer_edge_export.deploy.layout import BASE, WRAPPER

KILLS = 50
SMALLEST_KIB = 4
"""The first disk that is too small; the next ones are larger by half until a deploy succeeds."""
CLASSIFY = f"~/{WRAPPER} classify {BASE}/current/bundle {BASE}/current/smoke.png --top-k 1"

Tree = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A board with int8 in use, and what it becomes with float16; ``kept`` has copies of its home in both states."""

    board: StandIn
    bundle: Path
    kept: Path
    names: dict[str, str]
    """A variant -> the name of its release."""
    trees: dict[str, Tree]
    """The name of a release -> its files."""
    said: dict[str, str]
    """A variant -> what the board says of the golden picture."""

    def restore(self, variant: str) -> None:
        """Make the board again what it was when this variant was deployed."""
        shutil.rmtree(self.board.home)
        shutil.copytree(self.kept / variant, self.board.home, symlinks=True)

    def command(self, name: str) -> list[str]:
        """Return the command line of a deploy of float16, or of a rollback."""
        arguments = [str(self.bundle), self.board.host, "--variant", "float16"]
        return [sys.executable, "-m", "mixer_edge_export", name, *(arguments if name == "deploy" else arguments[1:2])]


def tree(release: Path) -> Tree:
    """Return the sha256 of every file of a release, without the modules that Python has compiled."""
    found = {}
    for path in release.rglob("*"):
        if path.is_symlink():
            found[str(path.relative_to(release))] = f"-> {path.readlink()}"
        elif path.is_file() and "__pycache__" not in path.parts:
            found[str(path.relative_to(release))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.fixture(scope="module")
def ready(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    """The board after a first deploy of int8; the workstation has its packages."""
    folder = tmp_path_factory.mktemp("net")
    with pytest.MonkeyPatch.context() as patch:
        use_stand_ins(folder, patch)
        use_stand_in_packages(folder / "packages", patch)
        made = Ready(board=stand_in("pi"), bundle=tiny_bundle, kept=folder / "kept", names={}, trees={}, said={})
        for variant in ("int8", "float16"):
            command = made.command("deploy")
            subprocess.run([*command[:-1], variant], check=True, capture_output=True)
            name = str(made.board.current)
            made.names[variant], made.trees[name] = name, tree(made.board.base / "releases" / name)
            made.said[variant] = made.board.run(CLASSIFY)
            shutil.copytree(made.board.home, made.kept / variant, symlinks=True)
        yield made


def check_board(ready: Ready) -> str:
    """Return the variant in use when what the killed program left running has ended; whatever has a name is whole."""
    for name in ("step.lock", "deploy.lock"):
        with (ready.board.base / name).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
    for name in ready.board.releases:
        assert name.endswith(".partial") or tree(ready.board.base / "releases" / name) == ready.trees[name]
    assert ready.board.previous in {None, *ready.trees}
    (variant,) = (variant for variant, name in ready.names.items() if name == ready.board.current)
    assert ready.board.run(CLASSIFY) == ready.said[variant]
    return variant


def timed(command: list[str]) -> float:
    """Run a command that must succeed and return how long it took, in seconds."""
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - start


@pytest.mark.parametrize(("name", "before", "after"), [("deploy", "int8", "float16"), ("rollback", "float16", "int8")])
def test_killed_at_random_moments(
    ready: Ready, name: str, before: str, after: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The board runs the old release or the new one, whole; the same command, repeated, succeeds."""
    generator, steps = random.Random(0), Counter[str]()
    ready.restore(before)
    usual_s = timed(ready.command(name))
    while steps.total() < KILLS:
        ready.restore(before)
        said = tmp_path / "said"
        with said.open("w") as output, subprocess.Popen(ready.command(name), stdout=output, stderr=output) as client:
            try:
                client.wait(generator.uniform(0, usual_s))
            except subprocess.TimeoutExpired:
                client.kill()
            if client.wait() == 0:
                continue  # it was faster than usual
        text = said.read_text()
        assert "Traceback" not in text
        assert "error" not in text
        steps[text.splitlines()[-1].split()[1] if text else "nothing"] += 1
        found = check_board(ready)
        timed(ready.command(name))
        repeated = check_board(ready)
        assert repeated == (after if name == "deploy" or found == before else before)
    with capsys.disabled():
        print(f"\n{name}: {KILLS} kills, the last step that was reported: {dict(steps)}")


@contextmanager
def small_disk(folder: Path, size_kib: int) -> Iterator[Path]:
    """Yield a folder with so much room."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "small", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("variable", [CACHE_VARIABLE, "TMPDIR"])
def test_a_full_disk_of_the_workstation(
    ready: Ready, variable: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever does not fit, one line says so, the board runs the old release, and no half cache remains."""
    size_kib, refused = SMALLEST_KIB, 0
    while True:
        ready.restore("int8")
        with small_disk(tmp_path / "small", size_kib) as room:
            environment = os.environ | {variable: str(room)}
            done = subprocess.run(ready.command("deploy"), capture_output=True, text=True, env=environment)
            if done.returncode == 0:
                break
            assert done.returncode == 1
            reason = rf"({re.escape(str(room))}/.*: )?No space left on device"
            message = rf"\[pi\] error: this machine's disk is full \({reason}\); free some space here, then repeat"
            assert re.fullmatch(message, done.stderr.splitlines()[-1])
            assert "Traceback" not in done.stderr
            assert [path for path in room.glob("*") if path.name != "wheels"] == []
            assert [path for path in room.glob("wheels/*") if path.suffix != ".lock"] == []
        assert check_board(ready) == "int8"
        refused, size_kib = refused + 1, size_kib * 3 // 2
    assert check_board(ready) == "float16"
    assert refused > 1
    with capsys.disabled():
        print(f"\n{variable}: {refused} disks from {SMALLEST_KIB} KiB on were too small, {size_kib} KiB were enough")
