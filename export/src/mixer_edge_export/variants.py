"""The one table of variants; a variant's name is the same in flags, file names, manifests and documents.

- ``float32``: the reference.
- ``float16``: weights stored as float16, computed in float32.
- ``int8``: weights and activations of the convolution and the dense layers int8, calibrated; the rest float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mixer_edge.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class Variant:
    """How one file is made from the float32 one."""

    name: str
    purpose: str
    recipe: str
    """What was done, in words, as the manifest states it."""
    bytes_per_weight: int
    """Lower bound of the file's size per parameter of the network: a file below it has lost weights."""
    max_error: float
    """Largest difference to the TensorFlow graph on the golden pictures, as a part of the largest output."""
    calibrated: bool


VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant(
            name="float32",
            purpose="the reference",
            recipe="float32",
            bytes_per_weight=4,
            max_error=1e-4,
            calibrated=False,
        ),
        Variant(
            name="float16",
            purpose="half the size, computed in float32",
            recipe="weights float16, computed in float32",
            bytes_per_weight=2,
            max_error=2e-2,
            calibrated=False,
        ),
        Variant(
            name="int8",
            purpose="a quarter of the size and the fastest on a Pi: the one to ship",
            recipe="convolution and dense layers static int8 (weights per channel, min-max ranges), the rest float32",
            bytes_per_weight=1,
            max_error=0.5,
            calibrated=True,
        ),
    )
}


def select_variants(names: Sequence[str]) -> list[Variant]:
    """Return the variants of these names in the table's order, with float32, the reference, always among them.

    Raises:
        ModelError: a name is not in the table; the message lists those that are.
    """
    if unknown := [name for name in names if name not in VARIANTS]:
        raise ModelError(f"unknown variant {unknown[0]!r}; expected some of {', '.join(VARIANTS)}")
    return [variant for variant in VARIANTS.values() if variant.name in {"float32", *names}]
