"""The number of threads without ``--threads``: that of the release, otherwise one per usable core up to four."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests import releases

from mixer_edge import board
from mixer_edge.errors import BundleError
from mixer_edge.strict_json import line
from mixer_edge.threads import default_threads

RELEASE = replace(releases.RELEASE, threads=3)


@pytest.fixture
def fake_interpreter(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which ai-edge-litert fails with its number of threads."""
    folder = tmp_path / "fake/ai_edge_litert"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "interpreter.py").write_text(
        "def Interpreter(model_path, num_threads):\n    raise ValueError(f'{num_threads} threads')\n"
    )
    return os.environ | {"PYTHONPATH": f"{folder.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


@pytest.mark.parametrize(("cores", "expected"), [(1, 1), (2, 2), (3, 3), (4, 4), (16, 4)])
def test_without_a_release_one_per_usable_core_up_to_four(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, expected: int
) -> None:
    """The cores of this process count, not those of the machine."""
    monkeypatch.setattr(board.os, "sched_getaffinity", lambda pid: set(range(cores)))
    monkeypatch.setattr(board.os, "cpu_count", lambda: 64)
    assert default_threads(tmp_path / "bundle") == expected


def test_a_machine_that_does_not_report_usable_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All cores count there; if their number is unknown, there is one thread."""
    monkeypatch.delattr(board.os, "sched_getaffinity")
    for cores, expected in ((8, 4), (2, 2), (None, 1)):
        monkeypatch.setattr(board.os, "cpu_count", lambda cores=cores: cores)
        assert default_threads(tmp_path) == expected


def test_the_number_of_the_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found through links and from within the folder; a bundle elsewhere is of no release."""
    monkeypatch.setattr(board.os, "sched_getaffinity", lambda pid: {0})
    (tmp_path / "releases/ab/bundle").mkdir(parents=True)
    (tmp_path / "releases/ab/digits").mkdir()
    (tmp_path / "releases/ab/release.json").write_text(line(RELEASE))
    (tmp_path / "current").symlink_to("releases/ab")
    monkeypatch.chdir(tmp_path / "current/bundle")
    assert default_threads(tmp_path / "current/bundle") == 3
    assert default_threads(Path()) == 3
    assert default_threads(tmp_path / "current/digits") == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (line(RELEASE).replace('"schema_version": 2', '"schema_version": 1').encode(), "field 'schema_version' is 1"),
        (line(RELEASE).replace('"threads": 3', '"threads": "3"').encode(), "field 'threads' is \"3\", expected int"),
        (b"", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"\xff", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
)
def test_a_release_that_cannot_be_read(tmp_path: Path, content: bytes, reason: str) -> None:
    """An older one, another type, an empty file and a damaged one: the error says what to do."""
    (tmp_path / "bundle").mkdir()
    (tmp_path / "release.json").write_bytes(content)
    with pytest.raises(BundleError) as caught:
        default_threads(tmp_path / "bundle")
    known = ", this program knows 2" if "schema_version" in reason else ""
    assert str(caught.value) == (
        f"{tmp_path}/release.json: not a release that this program can read ({reason}{known}); "
        "deploy again, or give --threads"
    )


ON_ONE_CORE = """
import os, sys
from mixer_edge.cli import main
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", ["classify", "camera", "watch"])
@pytest.mark.parametrize(
    ("released", "flags", "expected"),
    [(True, [], 3), (True, ["--threads", "2"], 2), (False, [], 1), (False, ["--threads", "2"], 2)],
)
def test_the_number_reaches_the_interpreter(
    tiny_bundle: Path,
    tmp_path: Path,
    fake_interpreter: dict[str, str],
    command: str,
    released: bool,
    flags: list[str],
    expected: int,
) -> None:
    """A real process on one core: ``--threads`` first, then the release's 3, then the usable core."""
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    if released:
        (tmp_path / "release.json").write_text(line(RELEASE))
    arguments = [command, "bundle", *flags, *{"classify": ["a.jpg"], "camera": [], "watch": ["."]}[command]]
    done = subprocess.run(
        [sys.executable, "-c", ON_ONE_CORE, *arguments],
        cwd=tmp_path,
        env=fake_interpreter,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        2,
        f"error: bundle/int8.tflite: ai-edge-litert cannot run this file ({expected} threads)\n",
    )
