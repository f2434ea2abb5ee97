"""The model that a bundle was made from, run by TensorFlow itself: conversion's own errors show against it."""

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
    """Return a .npy file with the source's logits, ``[pictures, classes]`` float32; NaN where one cannot be read.

    The file is in the user's cache: killed at any time, the next call goes on with the rows that are missing.

    Args:
        bundle: whose manifest says which weights the source has.
        model: where the source is, as ``export --model`` takes it; None for the place in the manifest.
        dataset: the pictures.

    Raises:
        ModelError: there is no model there, or it cannot be run.
        BundleError: the model's weights are not those that the bundle was made from.
    """
    manifest, spec = bundle.manifest, bundle.manifest.preprocess
    network = _load(bundle, model or manifest.source.location)
    subject = {"source": manifest.source.fingerprint, "bundle": manifest.fingerprint(), "pictures": dataset.listing()}
    path = default_journal(subject).with_suffix(".npy")
    if not path.is_file():
        classes = manifest.architecture["num_classes"]
        with replacing(path) as partial, partial.open("wb") as file:
            np.lib.format.write_array(file, np.full((len(dataset.images), classes or 0), np.nan, np.float32))
    rows = np.load(path, mmap_mode="r+")
    # a row that was being written when an earlier run was killed still holds NaN
    missing = [number for number in range(len(rows)) if np.isnan(rows[number]).any()]
    for number in progress(missing, "running the source"):
        try:
            pixels = load_pixels(dataset.images[number].path, spec)
        except ImageError:
            continue  # the evaluation lists it
        rows[number] = network(normalize(pixels, spec)[np.newaxis])[0]
    rows.flush()
    return path


def _load(bundle: Bundle, model: str) -> Network:
    """Return the function from ``[n, H, W, 3]`` float32 images to logits ``[n, classes]``."""
    try:
        source = load_source(model)
    except ModelError as error:
        raise ModelError(f"{bundle.folder}: its source is not there ({error}); give --source") from None
    if source.fingerprint() != bundle.manifest.source.fingerprint:
        raise BundleError(f"{model}: not the weights that {bundle.folder} was made from; choose another --source")
    return source.network()
