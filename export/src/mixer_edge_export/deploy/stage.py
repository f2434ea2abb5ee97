"""Assemble a release on the workstation, in the form in which it is copied to a board."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import mixer_edge
from mixer_edge.bundle import Bundle
from mixer_edge.decode import encode_png
from mixer_edge.manifest import MANIFEST_NAME, file_sha256
from mixer_edge.release import BUNDLE_FOLDER, RELEASE_NAME, Release
from mixer_edge.strict_json import line
from mixer_edge_export.deploy.plan import Plan
from mixer_edge_export.deploy.wheelhouse import requirements_text, runtime_wheel, unpacked_bytes, wheelhouse
from mixer_edge_export.signed import SIGNATURE_NAME

SMOKE_NAME = "smoke.png"
"""A golden picture, in the folder of a release."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A folder that becomes a release, without the venv, which is created on the board."""

    folder: Path
    release: Release
    fingerprint: str
    """The hash of the release and its packages; it is the release's name on a board."""
    size_bytes: int
    """Its size on the board after installation."""
    system_packages: bool
    """Whether to use numpy and Pillow of the board's own system."""

    def unlisted(self) -> list[str]:
        """Return the files, relative to the folder, that no manifest or list of packages has."""
        names = (SMOKE_NAME, f"{BUNDLE_FOLDER}/{SIGNATURE_NAME}")
        return [name for name in names if (self.folder / name).exists()]


@contextmanager
def staged(bundle: Bundle, variant: str, plan: Plan) -> Iterator[Stage]:
    """Yield the release of a bundle's variant for a board with this plan; it is removed when the block ends.

    Raises:
        DeployError: a wheel cannot be downloaded.
    """
    manifest = bundle.manifest
    with tempfile.TemporaryDirectory(prefix="mixer-edge-release-") as temporary:
        folder, packages = Path(temporary), wheelhouse(plan)
        for name in (BUNDLE_FOLDER, "wheels"):
            (folder / name).mkdir()
        names = [MANIFEST_NAME, *(file.name for file in manifest.files())]
        if (bundle.folder / SIGNATURE_NAME).exists():
            names.append(SIGNATURE_NAME)
        for name in names:
            (folder / BUNDLE_FOLDER / name).symlink_to((bundle.folder / name).resolve())
        for wheel in packages.glob("*.whl"):
            (folder / "wheels" / wheel.name).symlink_to(wheel)
        runtime_wheel(folder / "wheels")
        (folder / SMOKE_NAME).write_bytes(encode_png(bundle.golden()["images"][0].astype(np.uint8)))
        release = Release(
            name=manifest.name,
            task=manifest.task,
            bundle=manifest.fingerprint(),
            variant=variant,
            backend=plan.backend,
            python=plan.python,
            mixer_edge=mixer_edge.__version__,
            threads=1,
        )
        texts = {RELEASE_NAME: f"{line(release)}\n", "requirements.txt": requirements_text(folder / "wheels")}
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")
        hashes = "".join(file_sha256(folder / name) for name in texts)
        yield Stage(
            folder=folder,
            release=release,
            fingerprint=hashlib.sha256(hashes.encode()).hexdigest()[:16],
            size_bytes=unpacked_bytes(folder / "wheels") + sum(file.size_bytes for file in manifest.files()),
            system_packages=plan.system_packages,
        )
