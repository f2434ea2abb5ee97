"""The published weights' answer for a giant panda; needs files that are not in the repository."""

import os
from pathlib import Path

import pytest

from mixer_edge.classifier import Classifier
from mixer_edge_export.pipeline import export

WEIGHTS, PHOTO = "MIXER_EDGE_WEIGHTS", "MIXER_EDGE_PANDA"
GIANT_PANDA = 388


@pytest.mark.skipif(
    not (os.environ.get(WEIGHTS) and os.environ.get(PHOTO)),
    reason=f"set {WEIGHTS} to Mixer-B/32's SavedModel or .npz and {PHOTO} to the photo of a giant panda",
)
def test_a_giant_panda_is_class_388(tmp_path: Path) -> None:
    """Every variant of the published Mixer-B/32 sees a giant panda first."""
    manifest = export(os.environ[WEIGHTS], tmp_path / "bundle", labels=Path("imagenet"))
    for variant in manifest.variants:
        best = Classifier.load(tmp_path / "bundle", variant.name).classify(os.environ[PHOTO], 1)[0]
        assert (best.index, best.label.split(" ")[0]) == (GIANT_PANDA, "n02510455"), variant.name
