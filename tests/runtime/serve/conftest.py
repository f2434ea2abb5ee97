"""A server for all tests of a file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.serving import Server, serving


@pytest.fixture(scope="module")
def server(tiny_bundle: Path) -> Iterator[Server]:
    """A server without a source and without a token."""
    with serving(tiny_bundle) as running:
        yield running
        assert running.process.poll() is None, "the server ended"
        assert running.stop() == ""


@pytest.fixture(scope="session")
def png() -> bytes:
    """A picture."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of eight pictures: four alike, then four others."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(8):
        pixels = np.random.default_rng(number // 4).integers(0, 256, (48, 64, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder
