"""The packages for boards in the cache: damage is found before it reaches a board."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.stand_in_boards import use_stand_in_packages

from mixer_edge.cache import CACHE_VARIABLE, cache_folder
from mixer_edge_export.deploy.plan import Plan
from mixer_edge_export.deploy.wheelhouse import SUMS_NAME, wheelhouse

PLAN = Plan(
    backend="ai-edge-litert",
    python="3.11",
    machine="aarch64",
    glibc_minor=36,
    requirements=("pillow",),
    system_packages=False,
    why="",
)


def content(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder with their bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def truncate(folder: Path) -> None:
    """Leave the first half of a wheel."""
    wheel = next(folder.glob("pillow-*"))
    wheel.write_bytes(wheel.read_bytes()[: wheel.stat().st_size // 2])


def replace(folder: Path) -> None:
    """Put a file where the folder was."""
    shutil.rmtree(folder)
    folder.write_text("")


@pytest.fixture(scope="module")
def downloaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the packages of ``PLAN``; shared, so not to be changed."""
    folder = tmp_path_factory.mktemp("downloaded")
    with pytest.MonkeyPatch.context() as patch:
        use_stand_in_packages(folder / "packages", patch)
        patch.setenv(CACHE_VARIABLE, str(folder / "cache"))
        wheelhouse(PLAN)
    return folder


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        replace,
        lambda folder: next(folder.glob("pip-*")).unlink(),
        lambda folder: (folder / SUMS_NAME).unlink(),
    ],
)
def test_damaged_packages_are_downloaded_again(
    downloaded: Path,
    damage: Callable[[Path], object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The same wheels are there afterwards, a line says it, and what a killed download left is removed."""
    shutil.copytree(downloaded / "cache", tmp_path / "cache")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(downloaded / "packages"))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    (folder,) = (path for path in cache_folder("wheels").iterdir() if path.is_dir())
    before = content(folder)
    assert wheelhouse(PLAN) == folder
    assert caplog.messages == []
    damage(folder)
    folder.with_name(f".{folder.name}-killed").mkdir()
    assert wheelhouse(PLAN) == folder
    assert caplog.messages == [f"{folder}: the packages in the cache are damaged; downloading them again"]
    assert content(folder) == before
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name, f"{folder.name}.lock"]
