"""A small feature extractor, as a checkpoint and as a file, and pictures of three colours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import TINY

from mixer_edge.bundle import Bundle
from mixer_edge_export.network.mixer import MixerWeights
from mixer_edge_export.sources.npz import save_npz
from mixer_edge_export.training.features import Extractor

COLOURS = {"blue": (40, 60, 200), "green": (40, 190, 60), "red": (210, 50, 40)}


def draw_pictures(folder: Path, count: int, *, seed: int = 0) -> Path:
    """Write ``count`` noisy pictures of each colour, as ``<colour>/<number>.png``, and return the folder."""
    rng = np.random.default_rng(seed)
    for colour, rgb in COLOURS.items():
        (folder / colour).mkdir(parents=True)
        for number in range(count):
            pixels = np.clip(np.array(rgb) + rng.normal(0, 60, (48, 64, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / colour / f"{number:02}.png")
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a feature extractor with 32 random features; shared, so not to be changed."""
    path = tmp_path_factory.mktemp("extractor") / "tiny_fe.npz"
    save_npz(MixerWeights.random(replace(TINY, num_classes=None), seed=0), path)
    return path


@pytest.fixture(scope="session")
def extractor(tiny_features: Path) -> Extractor:
    """That of the bundle ``tiny_features``: 32 features of pictures of 64 x 64."""
    bundle = Bundle.open(tiny_features)
    manifest = bundle.manifest
    return Extractor(
        file=bundle.model_path("float32"), fingerprint=manifest.source.fingerprint, spec=manifest.preprocess
    )


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures of each of three colours; shared, so not to be changed."""
    return draw_pictures(tmp_path_factory.mktemp("photos") / "photos", 12)
