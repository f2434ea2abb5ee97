"""A bundle on disk: manifest, labels, golden vectors and TFLite files, each checked before it is used."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import BundleError
from mixer_edge.manifest import Manifest, UnknownSpec
from mixer_edge.preprocess import check_spec


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A folder whose manifest and labels were read and checked; a model file is checked when it is requested."""

    folder: Path
    manifest: Manifest
    labels: tuple[str, ...]

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Bundle:
        """Return the bundle in ``folder``.

        Raises:
            BundleError: it is missing, damaged or newer than this program, or its preprocessing is not supported.
        """
        path = Path(folder)
        manifest = Manifest.read(path)
        check_spec(manifest.preprocess)
        classes = manifest.architecture.get("num_classes")
        labels: tuple[str, ...] = ()
        if manifest.labels is not None:
            labels = tuple(manifest.labels.check(path).read_text("utf-8").removesuffix("\n").split("\n"))
            if len(labels) != classes:
                raise BundleError(f"{path}: {len(labels)} labels for {classes} classes; export it again")
        return cls(folder=path, manifest=manifest, labels=labels)

    def with_classes(self, labels: tuple[str, ...], unknown: UnknownSpec | None) -> Bundle:
        """Return the bundle of this feature extractor with a head for other classes; its files are the same."""
        architecture = {**self.manifest.architecture, "num_classes": len(labels)}
        manifest = replace(self.manifest, task="classification", architecture=architecture, unknown=unknown)
        return replace(self, manifest=manifest, labels=labels)

    def model_path(self, variant: str) -> Path:
        """Return the path of a variant's TFLite file, after checking its size and sha256."""
        return self.manifest.variant(variant).file.check(self.folder)

    def label(self, index: int) -> str:
        """Return the name of a class, or its index as text in a bundle without labels."""
        return self.labels[index] if self.labels else str(index)

    def golden(self) -> dict[str, NDArray[np.generic]]:
        """Return the golden vectors.

        ``images`` is ``[n, height, width, 3]`` uint8 after resizing; each variant's name maps to its output
        ``[n, classes]`` in the file's own dtype, computed by ai-edge-litert on the workstation.
        """
        with np.load(self.manifest.golden.check(self.folder)) as arrays:
            return {name: arrays[name] for name in arrays.files}
