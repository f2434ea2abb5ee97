"""Proof that this machine has the bundle that was written, and computes with it what the workstation computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mixer_edge.bundle import Bundle
from mixer_edge.classifier import Classifier
from mixer_edge.errors import BundleError
from mixer_edge.interpreter import resolve_backend
from mixer_edge.metrics import relative_error
from mixer_edge.tensors import dequantize


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a variant gave for the golden pictures on this machine."""

    variant: str
    backend: str
    bit_equal: bool
    """Whether every output is the workstation's, bit by bit."""
    max_error: float | None
    """Largest difference, as a part of the largest golden output; None if an output is not a number."""
    tolerance: float
    """Of the variant, by the manifest."""
    top_1_equal: int
    """Pictures whose most probable class (or largest feature) is the workstation's."""
    count: int
    """Golden pictures."""
    passed: bool
    """Whether this machine computes what the workstation computed: bit-equal, or within the tolerance."""

    @property
    def difference(self) -> str:
        """How the outputs differ from the workstation's, as words that follow the variant's name."""
        if self.max_error is None:
            return "gives an output that is not a number"
        return f"differs by {self.max_error:.2g} of the largest output, tolerance {self.tolerance:g}"


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """What ``mixer-edge verify --json`` prints."""

    fingerprint: str
    """Of the bundle."""
    files: int
    """Files that are as they were written."""
    skipped: Mapping[str, str]
    """Variant -> why it cannot run here, where nothing said that it can."""
    variants: tuple[Verification, ...]


def check_files(bundle: Bundle) -> int:
    """Return the number of files whose size and sha256 are the manifest's.

    Raises:
        BundleError: a file is missing or damaged.
    """
    files = list(bundle.manifest.files())
    record = bundle.manifest.calibration.file  # nothing here needs it, so a copy of the bundle may do without
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
    error = relative_error(outputs, expected)
    max_error = error if np.isfinite(error) else None
    bit_equal = raw.dtype == golden[variant].dtype and bool((raw == golden[variant]).all())
    return Verification(
        variant=variant,
        backend=backend,
        bit_equal=bit_equal,
        max_error=max_error,
        tolerance=facts.tolerance,
        top_1_equal=int((outputs.argmax(axis=1) == expected.argmax(axis=1)).sum()),
        count=len(outputs),
        passed=bit_equal or (max_error is not None and max_error <= facts.tolerance),
    )
