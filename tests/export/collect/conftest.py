"""Boards that are folders here, with taught and captured pictures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.collecting import capture
from tests.releases import RELEASE
from tests.stand_in_boards import StandIn, stand_in, write_program
from tests.teaching import EXTRACTOR, draw

from mixer_edge.strict_json import line
from mixer_edge.teach.state import add
from mixer_edge_export.cli import main
from mixer_edge_export.deploy.layout import MARK

COMMAND = f'#!/bin/sh\n{MARK}\nexec {sys.executable} -m mixer_edge "$@"\n'


@dataclass(frozen=True)
class Owner:
    """A board with a release, and what its user does there."""

    board: StandIn

    @property
    def host(self) -> str:
        """Its name for ssh."""
        return self.board.host

    @property
    def captured(self) -> Path:
        """The folder of its captured pictures."""
        return self.board.home / ".local/share/mixer-edge-captured"

    @property
    def taught(self) -> Path:
        """The folder of its taught pictures."""
        return self.board.home / ".local/share/mixer-edge-taught" / EXTRACTOR.fingerprint

    def teach(self, label: str, *numbers: int) -> None:
        """Teach drawn pictures."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_DATA_HOME", str(self.board.home / ".local/share"))
            add(EXTRACTOR, label, [draw(number) for number in numbers])

    def capture(self, content: bytes, label: str | None = None, **answered: Any) -> str:
        """Capture a picture, and return its checksum."""
        return capture(self.captured, content, label, **answered)

    def runs(self, script: str) -> None:
        """Let its command be this shell script."""
        write_program(self.board.home / ".local/bin/mixer-edge", f"#!/bin/sh\n{script}\n")


@pytest.fixture
def owner(boards: Path) -> Callable[[str], Owner]:
    """Make a board with a release."""

    def make(host: str) -> Owner:
        board = stand_in(host)
        (board.base / "releases/r1").mkdir(parents=True)
        (board.base / "releases/r1/release.json").write_text(line(RELEASE))
        (board.base / "current").symlink_to("releases/r1")
        write_program(board.home / ".local/bin/mixer-edge", COMMAND)
        return Owner(board)

    return make


@dataclass(frozen=True)
class Collector:
    """Runs the command; its folder is ``photos``."""

    photos: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str, code: int = 0) -> tuple[list[str], list[str]]:
        """Return the lines on both outputs."""
        assert main(["collect", *words, "--out", str(self.photos)]) == code
        output, errors = self.capsys.readouterr()
        return output.splitlines(), errors.splitlines()

    def files(self) -> set[str]:
        """Return all files but the table and the lock."""
        files = {path.relative_to(self.photos).as_posix() for path in self.photos.rglob("*") if path.is_file()}
        return files - {"collected.csv", ".collect.lock"}

    def table(self) -> list[str]:
        """Return the lines of the table."""
        return (self.photos / "collected.csv").read_text("utf-8").splitlines()


@pytest.fixture
def collect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Collector:
    """Collects into an own folder."""
    return Collector(tmp_path / "photos", capsys)
