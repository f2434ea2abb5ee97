"""A board that is a folder on this machine, with the real programs, and what it has after a deploy of two variants."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.stand_in_boards import StandIn

from mixer_edge_export.deploy.layout import BASE, WRAPPER

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
        self.fill(variant)

    def fill(self, variant: str) -> None:
        """The same if the board's home is empty."""
        shutil.copytree(self.kept / variant, self.board.home, symlinks=True, dirs_exist_ok=True)

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


@contextmanager
def small_disk(folder: Path, *options: str) -> Iterator[Path]:
    """Mount a new disk in memory on a folder, with these options of ``mount``, until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(("mode=755", *options)), "small", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
