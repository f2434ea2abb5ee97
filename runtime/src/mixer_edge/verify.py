"""Check that a bundle is intact and that this machine computes the same outputs as the workstation."""

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
    """How a variant's outputs for the golden pictures on this machine compare with the workstation's."""

    variant: str
    backend: str
    bit_equal: bool
    """Whether every output is bit-equal to the workstation's."""
    max_error: float | None
    """Largest difference, over the largest golden output; None if an output is not a number."""
    tolerance: float
    """The variant's tolerance in the manifest."""
    top_1_equal: int
    """Number of pictures with the workstation's most probable class (or largest feature)."""
    count: int
    """Number of golden pictures."""
    passed: bool
    """Whether the outputs are bit-equal or within the tolerance."""

    @property
    def difference(self) -> str:
        """How the outputs differ from the workstation's, as text to follow the variant's name."""
        if self.max_error is None:
            return "gives an output that is not a number"
        return f"differs by {self.max_error:.2g} of the largest output, tolerance {self.tolerance:g}"


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """What ``mixer-edge verify --json`` prints."""

    fingerprint: str
    """The bundle's fingerprint."""
    files: int
    """Number of intact files."""
    skipped: Mapping[str, str]
    """Variant -> why it cannot run here, for variants that the workstation has not run on this interpreter."""
    variants: tuple[Verification, ...]


def check_files(bundle: Bundle) -> int:
    """Return the number of files whose size and sha256 are the manifest's.

    Raises:
        BundleError: a file is missing or damaged.
    """
    manifest = bundle.manifest
    # not needed here, so a copy of the bundle may lack them
    records = [manifest.calibration.file, *([manifest.training.file] if manifest.training else [])]
    files = [*manifest.files(), *(record for record in records if (bundle.folder / record.name).exists())]
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
