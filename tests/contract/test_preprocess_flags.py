"""The preprocessing flags of the export are in the manifest, and the device follows them."""

from pathlib import Path

from tests.conftest import TINY

from mixer_edge.manifest import Manifest
from mixer_edge.preprocess import Preprocessing
from mixer_edge_export.cli import main
from mixer_edge_export.network.mixer import MixerWeights
from mixer_edge_export.sources.npz import save_npz


def test_the_exports_flags_reach_the_manifest(tmp_path: Path) -> None:
    """Another geometry, no antialias: the specification that the device follows, and exact decoding with it."""
    save_npz(MixerWeights.random(TINY, seed=0), tmp_path / "tiny.npz")
    flags = ["--variants", "float32", "--geometry", "resize-crop", "--no-antialias"]
    assert main(["export", "--model", str(tmp_path / "tiny.npz"), "--out", str(tmp_path / "bundle"), *flags]) == 0
    spec = Manifest.read(tmp_path / "bundle").preprocess
    assert spec == Preprocessing(geometry="resize-crop", antialias=False).spec(64)
    assert (spec.shorter_side, spec.decode) == (73, "exact")
