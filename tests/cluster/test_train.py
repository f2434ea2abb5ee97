"""The features of a training, computed on a cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.cluster.clusters import Machines
from tests.conftest import TINY
from tests.export.training.conftest import draw_pictures
from tests.pictures import write_pictures

from mixer_edge.bundle import Bundle
from mixer_edge.cache import CACHE_VARIABLE
from mixer_edge_export.cluster import open_cluster
from mixer_edge_export.network.mixer import MixerWeights
from mixer_edge_export.sources.npz import save_npz
from mixer_edge_export.training.features import Extractor, Features, extract
from mixer_edge_export.training.pictures import read_pictures


def same(one: Features, other: Features) -> bool:
    """Return whether everything is equal, to the bit."""
    arrays = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("values", "thumbnails", "rows"))
    return arrays and (one.digests, one.taken, one.unreadable) == (other.digests, other.taken, other.unreadable)


def test_features_of_a_cluster_are_those_of_one_machine(
    cluster: Machines, tiny_features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit, with what cannot be read; a second run computes nothing, and more pictures only theirs."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    manifest = Bundle.open(tiny_features).manifest
    file = Bundle.open(tiny_features).model_path("float32")
    extractor = Extractor(file=file, fingerprint="one machine", spec=manifest.preprocess)
    folder = write_pictures(tmp_path / "data", ("cat", "dog"), 60)
    (folder / "dog" / "broken.png").write_bytes(b"no picture")
    local = extract(read_pictures(folder), extractor, workers=1)
    for _ in range(2):
        cluster.worker().registered()
    there = replace(extractor, fingerprint="a cluster")
    with open_cluster(cluster.address, folder, None) as engine:
        assert same(extract(read_pictures(folder), there, engine=engine), local)
        one, other = sorted(
            (tmp_path / "cache" / "features").iterdir(), key=lambda path: b"cluster" in path.read_bytes()
        )
        assert one.stat().st_size - other.stat().st_size == len("one machine") - len("a cluster")
        before = other.read_bytes()
        assert same(extract(read_pictures(folder), there, engine=engine), local)
        assert other.read_bytes() == before
        write_pictures(folder, ("fox",), 30, seed=1)
        more = extract(read_pictures(folder), there, engine=engine)
    assert len(other.read_bytes()) == len(before) + 30 * (32 + 4 * 32)
    assert same(more, extract(read_pictures(folder), extractor, workers=1))


def test_the_bundle_of_a_training_is_that_of_one_machine(cluster: Machines, tmp_path: Path) -> None:
    """The command, with and without a cluster: every file of the bundle is equal to the byte."""
    photos = draw_pictures(tmp_path / "photos", 12)
    save_npz(MixerWeights.random(replace(TINY, num_classes=None), seed=0), tmp_path / "tiny_fe.npz")
    worker = cluster.worker().registered()
    files = {}
    for name, arguments in (("local", []), ("cluster", ["--cluster", cluster.address])):
        out = tmp_path / name / "colours"
        command = [sys.executable, "-m", "mixer_edge_export", "train", photos, "--model", tmp_path / "tiny_fe.npz"]
        env = {**os.environ, CACHE_VARIABLE: str(tmp_path / name / "cache")}
        result = subprocess.run(
            [*command, "--out", out, "--variants", "float32", *arguments],
            capture_output=True, text=True, env=env, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        files[name] = {path.name: path.read_bytes() for path in out.iterdir()}
    assert f"worker {worker.address}: 28 pictures, " in result.stderr
    assert files["cluster"] == files["local"]
