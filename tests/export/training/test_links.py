"""The folder with the pictures of a training."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixer_edge_export.training.links import pictures_folder


def test_the_pictures_are_next_to_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the bundle is the current folder or a link to another place."""
    bundle = tmp_path / "build" / "mine"
    bundle.mkdir(parents=True)
    (tmp_path / "current").symlink_to(bundle)
    monkeypatch.chdir(bundle)
    for path in (bundle, Path(), tmp_path / "current"):
        assert pictures_folder(path) == tmp_path / "build" / "mine-pictures"
