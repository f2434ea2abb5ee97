"""From weights to the float32 TFLite file: plain ops at batch 1, static shapes, one XNNPACK partition."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import MixerEdgeError, ModelError
from mixer_edge_export.network.folding import fold, folded_mixer
from mixer_edge_export.network.mixer import MixerWeights, mixer
from mixer_edge_export.tflite.stand_ins import fill_stand_ins, stand_in_numbers

INPUT, OUTPUT = "images", "output"


@contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Hold back what TensorFlow writes to standard error; an error that nobody expected shows it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    descriptors = {2}
    with suppress(io.UnsupportedOperation):
        descriptors.add(sys.stderr.fileno())  # another one in a command, see mixer_edge.standard_error
    keep = {descriptor: os.dup(descriptor) for descriptor in descriptors}
    with tempfile.TemporaryFile() as log:
        for descriptor in keep:
            os.dup2(log.fileno(), descriptor)
        try:
            yield
        except MixerEdgeError:
            raise
        except BaseException:
            log.seek(0)
            os.write(keep[2], log.read())
            raise
        finally:
            for descriptor, copy in keep.items():
                os.dup2(copy, descriptor)
                os.close(copy)


def convert_float(weights: MixerWeights) -> bytes:
    """Return the float32 TFLite file of a Mixer: ``images`` ``[1, H, W, 3]`` in [-1, 1] to ``output`` (logits).

    The converter sees a stand-in for every kernel, one number repeated, and so never handles the weights; they are
    written over the stand-ins in the finished file. That takes a third of the time and of the memory.

    Raises:
        ModelError: the converter refused the graph or left weights out.
    """
    shapes = {key: array.shape for key, array in weights.arrays.items() if key.endswith("/kernel")}
    numbers = stand_in_numbers(shapes)
    # folded again below: that is quick, and kernels held during the conversion would be a tenth of the peak memory
    vectors = {key: array for key, array in fold(weights).items() if key not in shapes}
    with quiet_tensorflow():
        import tensorflow as tf

        def network(images: tf.Tensor) -> dict[str, tf.Tensor]:
            kernels = {key: tf.constant(numbers[key], tf.float32, shape) for key, shape in shapes.items()}
            return {OUTPUT: folded_mixer(weights.config, vectors | kernels, images)}

        function = tf.function(network, [tf.TensorSpec(weights.config.input_shape, tf.float32, name=INPUT)])
        # the empty module only makes the converter write a signature
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], tf.Module())
        converter.exclude_conversion_metadata = True  # writing it copies the whole file twice
        try:
            content = bytearray(converter.convert())
        except Exception as error:
            raise ModelError(f"TensorFlow's converter refused the network: {error}") from error
    fill_stand_ins(content, numbers, fold(weights))
    return bytes(content)


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

        return np.asarray(mixer(weights.config, weights.arrays, tf.constant(images)))
