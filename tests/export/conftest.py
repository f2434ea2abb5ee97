"""Twins of published models, the bundled model's pictures, and boards that are folders on this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.conftest import LABELS
from tests.stand_in_boards import use_stand_ins

from mixer_edge_export.digits.images import write_images
from mixer_edge_export.pipeline import export

TWINS = Path(__file__).parent / "twins"


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SavedModel folder of the twin with 12 blocks; shared, so not to be changed."""
    return _unpacked("mixer_12_blocks", tmp_path_factory)


@pytest.fixture(scope="session")
def twin_fe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SavedModel folder of the feature extractor; shared, so not to be changed."""
    return _unpacked("mixer_fe", tmp_path_factory)


@pytest.fixture(scope="session")
def twin_bundle(twin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """float32 and float16 of the twin with 12 blocks, its ten classes labelled; shared, so not to be changed."""
    folder = tmp_path_factory.mktemp("twin")
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS), "utf-8")
    export(str(twin), folder / "bundle", labels=folder / "labels.txt", variants=["float16"])
    return folder / "bundle"


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the bundled model's pictures; shared, so not to be changed."""
    folder = tmp_path_factory.mktemp("pictures") / "digits"
    write_images(folder)
    return folder


def _unpacked(name: str, factory: pytest.TempPathFactory) -> Path:
    folder = factory.mktemp(name) / name
    folder.mkdir()
    # not tarfile: Debian 12's Python 3.11.2 has no filters yet
    subprocess.run(["tar", "-xf", TWINS / name / "saved_model.tar.gz", "-C", folder], check=True)
    return folder


@pytest.fixture
def boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the boards' homes, which the fake ssh and rsync on the PATH use."""
    use_stand_ins(tmp_path / "net", monkeypatch)
    return tmp_path / "net/boards"
