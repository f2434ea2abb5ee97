"""Where the taught classes are: one folder for each feature extractor, which a new release does not replace.

::

    $XDG_DATA_HOME/mixer-edge-taught, else ~/.local/share/mixer-edge-taught
        <fingerprint of the extractor's weights>/
            taught.sqlite   classes, features, sums and head
            pictures/       the pictures' own files, named by their sha256
            pending/        pictures that are being added or forgotten
            lock            held by the process that writes
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mixer_edge.bundle import Bundle
from mixer_edge.errors import BundleError
from mixer_edge.manifest import PreprocessSpec
from mixer_edge.user_folders import user_folder


@dataclass(frozen=True, kw_only=True)
class Extractor:
    """What computes the features."""

    fingerprint: str
    """Of its weights, the same for every variant and export."""
    name: str
    variant: str
    file_sha256: str
    preprocess: PreprocessSpec
    """Of the variant."""

    @classmethod
    def of(cls, bundle: Bundle, variant: str) -> Extractor:
        """Return the facts of one variant.

        Raises:
            BundleError: the bundle has classes of its own, or no such variant.
        """
        manifest = bundle.manifest
        if manifest.task != "embedding":
            raise BundleError(
                f"{bundle.folder}: made for {manifest.task}, it has classes of its own; expected a feature extractor, "
                "e.g. an export of mixer_b32_sam_fe"
            )
        return cls(
            fingerprint=manifest.source.fingerprint,
            name=manifest.name,
            variant=variant,
            file_sha256=manifest.variant(variant).file.sha256,
            preprocess=manifest.preprocess_of(variant),
        )

    @property
    def folder(self) -> Path:
        """The folder of what was taught on these weights."""
        return taught_folder() / self.fingerprint


def taught_folder() -> Path:
    """Return the folder of everything that was taught by this user."""
    return user_folder("XDG_DATA_HOME", ".local/share") / "mixer-edge-taught"
