"""From weights to the float32 TFLite file: plain ops at batch 1, static shapes, one XNNPACK partition."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import ModelError
from mixer_edge_export.folding import fold, folded_mixer
from mixer_edge_export.mixer import MixerWeights, mixer

INPUT, OUTPUT = "images", "output"


@contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Hold back what TensorFlow's C++ code writes to standard error; it is shown if the body raises."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    keep = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except BaseException:
            log.seek(0)
            os.write(keep, log.read())
            raise
        finally:
            os.dup2(keep, 2)
            os.close(keep)


def convert_float(weights: MixerWeights) -> bytes:
    """Return the float32 TFLite file of a Mixer: ``images`` ``[1, H, W, 3]`` in [-1, 1] to ``output`` (logits).

    Raises:
        ModelError: the converter refused the graph or left weights out.
    """
    with quiet_tensorflow():
        import tensorflow as tf

        spec = tf.TensorSpec(weights.config.input_shape, tf.float32, name=INPUT)
        arrays = fold(weights)
        function = tf.function(lambda images: {OUTPUT: folded_mixer(weights.config, arrays, images)}, [spec])
        # the empty module only makes the converter write a signature
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], tf.Module())
        try:
            content = bytes(converter.convert())
        except Exception as error:
            raise ModelError(f"TensorFlow's converter refused the network: {error}") from error
    check_size(len(content), 4 * weights.parameter_count, "float32")
    return content


def check_size(size_bytes: int, expected_bytes: int, name: str) -> None:
    """Refuse a file too small to hold its weights; a converter can lose them without a word.

    Raises:
        ModelError: the size is below 95 % of the weights' own (weights that fold into others are not missed).
    """
    if size_bytes < 0.95 * expected_bytes:
        raise ModelError(
            f"{name}: {size_bytes:,} bytes written for {expected_bytes:,} bytes of weights; weights are lost"
        )


def reference_outputs(weights: MixerWeights, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the network gives in TensorFlow for ``[n, H, W, 3]`` images in [-1, 1]: ``[n, classes]``."""
    with quiet_tensorflow():
        import tensorflow as tf

        outputs = [mixer(weights.config, weights.arrays, tf.constant(image[np.newaxis])).numpy()[0] for image in images]
    return np.stack(outputs)
