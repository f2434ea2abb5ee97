"""Run the source model of a bundle in TensorFlow: the comparison with it also shows errors of the conversion."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mixer_edge.bundle import Bundle
from mixer_edge.dataset import Dataset
from mixer_edge.errors import BundleError, ImageError, ModelError
from mixer_edge.journal import default_journal
from mixer_edge.preprocess import load_pixels, normalize
from mixer_edge.progress import progress
from mixer_edge_export.files import replacing
from mixer_edge_export.sources import Network, load_source


def source_outputs(bundle: Bundle, model: str | None, dataset: Dataset) -> Path:
    """Return a .npy file with the source's logits, ``[pictures, classes]`` float32; NaN if a picture cannot be read.

    The file is in the user's cache: after an interruption the next call continues with the missing rows.

    Args:
        bundle: the bundle; its manifest has the fingerprint of the source's weights.
        model: the source's location, as in ``export --model``; None for the location in the manifest.
        dataset: the pictures.

    Raises:
        ModelError: there is no model there, or it cannot be run.
        BundleError: the model's weights are not those of the bundle.
    """
    manifest, spec = bundle.manifest, bundle.manifest.preprocess
    if manifest.source.kind == "trained":
        raise BundleError(f"{bundle.folder}: was trained, its source has no head; compare with --reference float32")
    network = _load(bundle, model or manifest.source.location)
    subject = {"source": manifest.source.fingerprint, "bundle": manifest.fingerprint(), "pictures": dataset.listing()}
    path = default_journal(subject).with_suffix(".npy")
    if not path.is_file():
        classes = manifest.architecture["num_classes"]
        with replacing(path) as partial, partial.open("wb") as file:
            np.lib.format.write_array(file, np.full((len(dataset.images), classes or 0), np.nan, np.float32))
    rows = np.load(path, mmap_mode="r+")
    # a row that was only partly written when an earlier run was killed still contains NaN
    missing = [number for number in range(len(rows)) if np.isnan(rows[number]).any()]
    for number in progress(missing, "running the source"):
        try:
            pixels = load_pixels(dataset.images[number].path, spec)
        except ImageError:
            continue  # the evaluation reports it
        rows[number] = network(normalize(pixels, spec)[np.newaxis])[0]
    rows.flush()
    return path


def _load(bundle: Bundle, model: str) -> Network:
    """Return the function from ``[n, H, W, 3]`` float32 images to logits ``[n, classes]``."""
    try:
        source = load_source(model)
    except ModelError as error:
        raise ModelError(f"{bundle.folder}: its source cannot be loaded ({error}); use --source") from None
    if source.fingerprint() != bundle.manifest.source.fingerprint:
        raise BundleError(f"{model}: not the weights that {bundle.folder} was made from; choose another --source")
    return source.network()
