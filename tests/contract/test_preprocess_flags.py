"""What the export is told about pictures is what the manifest says and the device does."""

from pathlib import Path

from tests.conftest import export_tiny

from mixer_edge.manifest import Manifest
from mixer_edge.preprocess import Preprocessing


def test_the_exports_flags_reach_the_manifest(tmp_path: Path) -> None:
    """Another geometry, no antialias: the specification that the device follows, and exact decoding with it."""
    flags = ["--variants", "float32", "--geometry", "resize-crop", "--no-antialias"]
    spec = Manifest.read(export_tiny(tmp_path, *flags, num_classes=None)).preprocess
    assert spec == Preprocessing(geometry="resize-crop", antialias=False).spec(64)
    assert (spec.shorter_side, spec.decode) == (73, "exact")
