"""Proof that this machine has the bundle that was written, and computes with it what the workstation computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixer_edge.bundle import Bundle
from mixer_edge.classifier import Classifier
from mixer_edge.errors import BundleError
from mixer_edge.interpreter import resolve_backend
from mixer_edge.tensors import dequantize


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a variant gave for the golden pictures on this machine."""

    variant: str
    backend: str
    bit_equal: bool
    """Whether every output is the workstation's, bit by bit."""
    max_error: float
    """Largest difference, as a part of the largest golden output."""
    tolerance: float
    """Of the variant, by the manifest."""
    top_1_equal: int
    """Pictures whose most probable class (or largest feature) is the workstation's."""
    count: int
    """Golden pictures."""

    @property
    def passed(self) -> bool:
        """Whether this machine computes what the workstation computed."""
        return self.bit_equal or self.max_error <= self.tolerance


def check_files(bundle: Bundle) -> int:
    """Return the number of files whose size and sha256 are the manifest's.

    Raises:
        BundleError: a file is missing or damaged.
    """
    manifest = bundle.manifest
    files = [variant.file for variant in manifest.variants] + [manifest.golden]
    files += [manifest.labels] if manifest.labels else []
    record = manifest.calibration.file  # nothing here needs it, so a copy of the bundle may do without
    files += [record] if (bundle.folder / record.name).exists() else []
    for file in files:
        file.check(bundle.folder)
    return len(files)


def verify(bundle: Bundle, variant: str, *, backend: str = "auto", threads: int | None = None) -> Verification:
    """Return how a variant's outputs for the golden pictures compare with the workstation's.

    Raises:
        BundleError: the bundle is damaged, or has no such variant or no golden outputs for it.
        InterpreterError: no interpreter here can run the file.
    """
    golden = bundle.golden()
    if variant not in golden:
        raise BundleError(f"{bundle.folder}: no golden outputs for {variant}; export it again")
    backend = resolve_backend(backend)
    with Classifier(bundle, variant, backend=backend, threads=threads) as classifier:
        tensors = [classifier.tensor_of_pixels(pixels) for pixels in golden["images"].astype(np.uint8, copy=False)]
        raw = np.concatenate([classifier.interpreter.invoke(tensor) for tensor in tensors])
        spec = classifier.interpreter.output
    facts = bundle.manifest.variant(variant)
    expected = dequantize(golden[variant], facts.output)
    outputs = dequantize(raw, spec)
    size = float(np.abs(expected).max())
    return Verification(
        variant=variant,
        backend=backend,
        bit_equal=raw.dtype == golden[variant].dtype and bool((raw == golden[variant]).all()),
        max_error=float(np.abs(outputs - expected).max()) / size if size else float(np.abs(outputs).max()),
        tolerance=facts.tolerance,
        top_1_equal=int((outputs.argmax(axis=1) == expected.argmax(axis=1)).sum()),
        count=len(outputs),
    )
