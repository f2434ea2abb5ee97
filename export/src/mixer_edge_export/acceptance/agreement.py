"""Check whether outputs agree with the source's; the rebuilt graph and every file must pass this check."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import ModelError
from mixer_edge.metrics import relative_error
from mixer_edge_export.acceptance.tolerances import MIN_CORRELATION


def disagreement(outputs: NDArray[np.float32], reference: NDArray[np.float32], max_error: float) -> str | None:
    """Return how outputs differ from the reference's, both ``[n, classes]``, as text; None if they agree.

    They agree if the largest difference is at most ``max_error`` of the largest reference output, and if the outputs of
    each picture correlate with the reference's by at least ``MIN_CORRELATION``.
    """
    error = relative_error(outputs, reference)
    if not error <= max_error:
        return f"off by {error:.2g} of the largest output, expected at most {max_error:.2g}"
    lowest = correlations(outputs, reference).min()
    if not lowest >= MIN_CORRELATION:
        return f"a picture's outputs correlate by {lowest:.2g}, expected at least {MIN_CORRELATION:g}"
    return None


def correlations(outputs: NDArray[np.float32], reference: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return Pearson's correlation over the classes for each picture, ``[n]`` in [-1, 1].

    It is 1 if the reference's outputs are all equal, for example with a single class: they have no order.
    """
    x, y = (array - array.mean(axis=1, keepdims=True, dtype=np.float64) for array in (outputs, reference))
    norms = np.sqrt(np.square(x).sum(axis=1) * np.square(y).sum(axis=1))
    products = (x * y).sum(axis=1)
    flat = np.ptp(reference, axis=1) == 0
    return np.where(flat, 1.0, np.divide(products, norms, out=np.zeros_like(products), where=norms > 0))


def mean_difference(draws: NDArray[np.float64]) -> tuple[float, float]:
    """Return the root mean square of the mean over draws ``[draws, n, classes]``, and the standard error of this mean.

    Rounding differs from draw to draw, so its mean is about as small as the standard error; another function's
    difference stays the same.
    """
    variance = draws.var(axis=0, ddof=1).mean() / len(draws)
    return float(np.sqrt(np.square(draws.mean(axis=0)).mean())), float(np.sqrt(variance))


def check_outputs(
    stage: str, outputs: NDArray[np.float32], reference: NDArray[np.float32], *, judge: str, max_error: float
) -> float:
    """Return the error of outputs that agree with the reference, both ``[n, classes]``.

    Args:
        stage: name of the graph or file, for the message.
        outputs: its outputs.
        reference: the judge's outputs for the same pictures.
        judge: the judge's name, for the message.
        max_error: largest error allowed.

    Raises:
        ModelError: they do not agree; the message says at which stage, picture and output they differ most.
    """
    if outputs.shape != reference.shape:
        raise ModelError(f"{stage} has outputs {list(outputs.shape)}, but {judge} has {list(reference.shape)}")
    if reason := disagreement(outputs, reference, max_error):
        difference = np.abs(outputs - reference)
        picture, output = np.unravel_index(np.argmax(difference), difference.shape)
        raise ModelError(
            f"{stage} differs from {judge}: {reason}; output {output} of picture {picture} is "
            f"{outputs[picture, output]:.6g} instead of {reference[picture, output]:.6g}; nothing was written"
        )
    return relative_error(outputs, reference)
