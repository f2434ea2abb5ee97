"""Which pictures stay on a board, and the removal of captured ones, by the command."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.collecting import capture, sha256
from tests.teaching import EXTRACTOR, draw

from mixer_edge.captured.store import read_captured
from mixer_edge.captured.tables import captured_folder
from mixer_edge.cli import main
from mixer_edge.teach.state import add, forget_class, read_pictures

TAUGHT = {
    "bytes": 9, "kind": "taught", "label": "cat", "time": None, "answer": None, "probability": None, "none": None,
    "reason": None, "random": None, "bundle": "drawn", "variant": "int8", "fingerprint": "f" * 64,
}  # fmt: skip
CAPTURED = {
    "bytes": 3, "kind": "captured", "label": None, "time": "2026-05-04T03:02:01.000Z", "answer": "cat",
    "probability": 0.5, "none": False, "reason": "tie", "random": False, "bundle": "pets", "variant": "int8",
    "fingerprint": "f" * 64,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def kept(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Return what the command prints on standard output."""
    assert main(["kept", *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_taught_then_captured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each, with where its file is; a file that somebody removed is said and left out."""
    assert kept(capsys, "--json") == []
    assert kept(capsys) == ["taught: 0 pictures, 0.0 MB", "captured: 0 pictures, 0 of them with a label, 0.0 MB"]
    add(EXTRACTOR, "cat", [draw(1)])
    capture(captured_folder(), b"one")
    capture(captured_folder(), b"two", "dog", reason=None, random=True, none=True)
    lines = kept(capsys, "--json")
    taught, one, two = (sha256(content) for content in (b"picture 1", b"one", b"two"))
    folder, others = EXTRACTOR.folder / "pictures", tmp_path / "mixer-edge-captured/pictures"
    assert [json.loads(line) for line in lines] == [
        {"file": str(folder / f"{taught}.png"), "sha256": taught, **TAUGHT},
        {"file": str(others / f"{one}.jpg"), "sha256": one, **CAPTURED},
        {
            **{"file": str(others / f"{two}.jpg"), "sha256": two},
            **(CAPTURED | {"label": "dog", "reason": None, "random": True, "none": True}),
        },
    ]
    add(EXTRACTOR, "dog", [replace(draw(3), time="2026-05-04T03:02:02.000Z")])
    assert json.loads(kept(capsys, "--json")[1])["time"] == "2026-05-04T03:02:02.000Z"
    forget_class(EXTRACTOR.folder, "dog")
    assert kept(capsys) == ["taught: 1 picture, 0.0 MB", "captured: 2 pictures, 1 of them with a label, 0.0 MB"]
    (others / f"{one}.jpg").unlink()
    assert main(["kept", "--json"]) == 0
    output, errors = capsys.readouterr()
    assert [json.loads(line)["sha256"] for line in output.splitlines()] == [taught, two]
    missing = f"{others / one}.jpg: cannot be read (No such file or directory) and is left out"
    assert errors == f"warning: {missing}\n"


def test_only_captured_pictures_are_forgotten(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exactly those on standard input; a taught one stays, and is said; one that is not there is not counted."""
    add(EXTRACTOR, "cat", [draw(1)])
    one, two = capture(captured_folder(), b"one"), capture(captured_folder(), b"two")
    taught = sha256(b"picture 1")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{one}\n{taught}\n{'0' * 64}\n"))
    assert kept(capsys, "--forget") == [
        "1 captured picture forgotten; 1 taught picture stays: the board answers with them"
    ]
    assert [found.file for found in read_captured(captured_folder())] == [f"{two}.jpg"]
    assert [found.path.stem for found in read_pictures(EXTRACTOR.folder)] == [taught]
    monkeypatch.setattr("sys.stdin", io.StringIO(two))
    assert kept(capsys, "--forget", "--json") == ['{"forgotten": 1, "changed": 0, "taught": 0}']
    assert list((captured_folder() / "pictures").iterdir()) == []


def test_a_picture_with_another_label_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody has given it since the picture was copied; with the label on standard input the picture goes."""
    folder = captured_folder()
    one, two, three = capture(folder, b"one", "cat"), capture(folder, b"two", "cat"), capture(folder, b"three", "a cat")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{one}\n{two}\tdog\n{three}\ta cat\n"))
    assert kept(capsys, "--forget") == ["1 captured picture forgotten; 2 pictures stay: they have another label"]
    assert [found.file for found in read_captured(folder)] == [f"{one}.jpg", f"{two}.jpg"]
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{one}\tdog\n{two}\tcat\n"))
    assert kept(capsys, "--forget") == ["1 captured picture forgotten; 1 picture stays: it has another label"]


def test_what_is_no_checksum(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is removed then; where nothing was captured, no folder is made."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{'0' * 64}\n"))
    assert kept(capsys, "--forget") == ["0 captured pictures forgotten"]
    assert not captured_folder().exists()
    one = capture(captured_folder(), b"one")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{one}\n{one}.jpg\n"))
    assert main(["kept", "--forget"]) == 2
    assert capsys.readouterr().err == (
        f"error: standard input, line 2: '{one}.jpg', expected a sha256 of 64 digits as in kept --json; "
        "nothing was removed\n"
    )
    command = [sys.executable, "-m", "mixer_edge", "kept", "--forget"]
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}  # as in most locales: what is no text is an error
    result = subprocess.run(command, input=b"a\xff\n", env=environment, capture_output=True, check=False)
    assert (result.returncode, result.stderr.decode()) == (
        2,
        "error: standard input: is no text, expected a sha256 of 64 digits as in kept --json; nothing was removed\n",
    )
    assert len(read_captured(captured_folder())) == 1
