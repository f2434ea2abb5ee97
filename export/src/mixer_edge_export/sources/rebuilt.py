"""Check that the graph rebuilt from a Mixer's variables, run in float64, is the SavedModel's graph.

1. With the model's own weights, the outputs must agree. The published graphs compute a variance as
   ``mean(x²) - mean(x)²`` in float32; if the mean is large, this rounds away what matters, and the SavedModel's own
   outputs are uncertain. Several draws of slightly changed pictures then separate the two causes: rounding differs
   from draw to draw, the difference of another function does not.
2. With test weights in the variables of both, the outputs must agree closely. With these weights rounding is small, and
   everything else shows: the order of the variables, each bias that has an effect, epsilon (the stem's outputs are
   small) and the kind of GELU.
"""

from __future__ import annotations

import logging
import math

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import ModelError
from mixer_edge.metrics import relative_error
from mixer_edge_export.acceptance.agreement import check_outputs, mean_difference
from mixer_edge_export.acceptance.tolerances import CALM, MAX_FLOAT_ERROR, MAX_NOISE_RATIO, MAX_STRUCTURE_ERROR
from mixer_edge_export.network.convert import exact_outputs, reference_outputs
from mixer_edge_export.network.mixer import STEM, MixerConfig, MixerWeights
from mixer_edge_export.sources.saved_model import Signature
from mixer_edge_export.sources.source import Judgement

log = logging.getLogger(__name__)

DRAWS = 16
HALF_PIXEL = 1 / 255
"""Half the step between two pixel values in [-1, 1]; a draw changes each value by at most this."""
TEST_IMAGES = 2
STEM_SCALE = 0.01
"""Makes the variance of the stem's outputs about 1e-4, so that epsilon has an effect."""


def judge_rebuilt(signature: Signature, weights: MixerWeights, images: NDArray[np.float32], location: str) -> Judgement:
    """Return the outputs that the files are compared with; the signature's variables have test weights afterwards.

    Args:
        signature: the SavedModel's function.
        weights: the weights read from its variables.
        images: ``[n, size, size, 3]`` in [-1, 1].
        location: the SavedModel's name, for messages.

    Raises:
        ModelError: the rebuilt graph is another function.
    """
    outputs, rebuilt = signature.outputs(images), reference_outputs(weights, images)
    if outputs.shape != rebuilt.shape:
        raise ModelError(f"{location} has outputs {list(outputs.shape)}, but its variables give {list(rebuilt.shape)}")
    error = relative_error(rebuilt, outputs)
    if error <= CALM:
        structure_error = _check_structure(signature, weights.config, location)
        return Judgement(judge="saved_model", reference=outputs, rebuilt_error=error, structure_error=structure_error)
    mean, standard_error = mean_difference(_draws(signature, weights, images))
    structure_error = _check_structure(signature, weights.config, location)
    bound = max(MAX_FLOAT_ERROR, MAX_NOISE_RATIO * standard_error)
    if not mean <= bound:
        raise ModelError(
            f"{location} differs from its rebuilt graph by {mean:.2g} of the largest output (mean of {DRAWS} draws; "
            f"expected at most {bound:.2g}), but not with test weights: its own float32 outputs are probably wrong by "
            "rounding; save the weights as .npz and export that; nothing was written"
        )
    rounding = standard_error * math.sqrt(DRAWS)
    log.info("%s: its outputs are uncertain by %.2g of the largest (float32)", location, rounding)
    return Judgement(
        judge="rebuilt graph",
        reference=rebuilt,
        rebuilt_error=error,
        structure_error=structure_error,
        rounding=rounding,
    )


def _draws(signature: Signature, weights: MixerWeights, images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the SavedModel's outputs minus the rebuilt graph's ``[draws, n, classes]``, over the largest output."""
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(DRAWS):
        moved = (images + rng.uniform(-HALF_PIXEL, HALF_PIXEL, images.shape)).astype(np.float32)
        rebuilt = reference_outputs(weights, moved).astype(np.float64)
        draws.append((signature.outputs(moved) - rebuilt) / np.abs(rebuilt).max())
    return np.stack(draws)


def _check_structure(signature: Signature, config: MixerConfig, location: str) -> float:
    """Return the error of the rebuilt graph with test weights in both graphs."""
    shapes = config.shapes()

    def array(key: str) -> NDArray[np.float32]:
        values = np.random.default_rng(list(key.encode())).standard_normal(shapes[key], np.float32)
        values *= np.float32(1 / math.sqrt(math.prod(shapes[key][:-1])) if key.endswith("/kernel") else 0.25)
        values += np.float32(key.endswith("/scale"))
        values *= np.float32(STEM_SCALE if key.startswith(STEM) else 1)
        return values

    signature.assign(array)
    size = config.input_shape[1:]
    images = np.random.default_rng(0).uniform(-1, 1, (TEST_IMAGES, *size)).astype(np.float32)
    return check_outputs(
        "with test weights, the rebuilt graph",
        exact_outputs(config, array, images),
        signature.outputs(images),
        judge=location,
        max_error=MAX_STRUCTURE_ERROR,
    )
