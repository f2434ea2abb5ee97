"""A small feature extractor."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixer_edge.bundle import Bundle
from mixer_edge_export.train.features import Extractor


@pytest.fixture(scope="session")
def extractor(tiny_features: Path) -> Extractor:
    """That of the bundle ``tiny_features``: 32 features of pictures of 64 x 64."""
    bundle = Bundle.open(tiny_features)
    manifest = bundle.manifest
    return Extractor(
        file=bundle.model_path("float32"), fingerprint=manifest.source.fingerprint, spec=manifest.preprocess
    )
