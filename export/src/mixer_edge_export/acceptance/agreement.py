"""The judge of an export: what the source itself answers, against what was made of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import ModelError

MAX_FLOAT_ERROR = 1e-4
"""Float arithmetic in another order moves a Mixer's outputs by some 1e-6 of the largest; two swapped blocks by 0.3."""


def check_outputs(
    stage: str,
    outputs: NDArray[np.float32],
    reference: NDArray[np.float32],
    *,
    judge: str,
    max_error: float = MAX_FLOAT_ERROR,
) -> float:
    """Return the largest difference to the reference as a part of its largest output, both ``[n, classes]``.

    Args:
        stage: what gave the outputs, for the message.
        outputs: what is judged.
        reference: what the judge gave for the same pictures.
        judge: its name, for the message.
        max_error: largest difference that passes.

    Raises:
        ModelError: the difference is larger; the message says at which stage, picture and output it is the largest.
    """
    if outputs.shape != reference.shape:
        raise ModelError(f"{stage} gives {list(outputs.shape)} where {judge} gives {list(reference.shape)}")
    difference = np.abs(outputs - reference)
    error = float(difference.max() / np.abs(reference).max())
    if not error <= max_error:
        picture, output = np.unravel_index(np.argmax(difference), difference.shape)
        raise ModelError(
            f"{stage} differs from {judge} by {error:.2g} of its largest output, expected at most {max_error:.2g}: "
            f"output {output} of picture {picture} is {outputs[picture, output]:.6g} instead of "
            f"{reference[picture, output]:.6g}; nothing was written"
        )
    return error
