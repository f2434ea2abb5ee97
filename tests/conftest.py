"""Small bundles for the tests, exported once per session by the real command in a separate process."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixer_edge.cache import CACHE_VARIABLE
from mixer_edge.manifest import MANIFEST_NAME
from mixer_edge.strict_json import dumps
from mixer_edge_export.network.mixer import MixerConfig, MixerWeights
from mixer_edge_export.sources.npz import save_npz

LABELS = ("airplane", "bird", "café", "dog", "elephant", "fox", "goat", "horse", "ibex", "jay")
TINY = MixerConfig(
    image_size=64, patch_size=16, num_blocks=2, hidden_dim=32, tokens_mlp_dim=24, channels_mlp_dim=64, num_classes=10
)


def export_tiny(folder: Path, *, num_classes: int | None) -> Path:
    """Return a bundle in ``folder``: random weights for ``TINY`` with so many classes."""
    weights, bundle = folder / "tiny.npz", folder / "bundle"
    save_npz(MixerWeights.random(replace(TINY, num_classes=num_classes), seed=0), weights)
    command = [sys.executable, "-m", "mixer_edge_export", "export", "--model", str(weights), "--out", str(bundle)]
    if num_classes is not None:
        (folder / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS), "utf-8")
        command += ["--labels", str(folder / "labels.txt")]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        pytest.fail(f"{' '.join(command)}\n{finished.stderr}", pytrace=False)
    return bundle


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's own folders are not used: no tflite-runtime, no earlier evaluation, no taught class, no token."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of ten labelled classes; shared, so not to be changed."""
    return export_tiny(tmp_path_factory.mktemp("tiny"), num_classes=len(LABELS))


@pytest.fixture(scope="session")
def tiny_features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a feature extractor with 32 features; shared, so not to be changed."""
    return export_tiny(tmp_path_factory.mktemp("features"), num_classes=None)


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of ``tiny_bundle`` that a test may change."""
    return shutil.copytree(tiny_bundle, tmp_path / "bundle")


def reseal(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest and update its fingerprint, like another program that writes bundles."""
    facts = json.loads((bundle / MANIFEST_NAME).read_bytes())
    del facts["fingerprint"]
    change(facts)
    fingerprint = hashlib.sha256(dumps(facts)).hexdigest()
    (bundle / MANIFEST_NAME).write_bytes(dumps(facts | {"fingerprint": fingerprint}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the tests that were not run, with their requirements."""
    for report in terminalreporter.stats.get("skipped", []):
        _, _, reason = report.longrepr
        terminalreporter.write_line(f"NOT RUN {report.nodeid}: {reason.removeprefix('Skipped: ')}")
