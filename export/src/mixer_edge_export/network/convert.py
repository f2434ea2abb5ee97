"""Convert weights to the float32 TFLite file: basic ops at batch 1, static shapes, one XNNPACK partition."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import MixerEdgeError, ModelError
from mixer_edge_export.network.folding import fold, folded_mixer
from mixer_edge_export.network.mixer import MixerConfig, MixerWeights, mixer
from mixer_edge_export.tflite.stand_ins import fill_stand_ins, stand_in_numbers

INPUT, OUTPUT = "images", "output"


@contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Suppress what TensorFlow writes to standard error; show it if an unexpected error is raised."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    descriptors = {2}
    with suppress(io.UnsupportedOperation):
        descriptors.add(sys.stderr.fileno())  # not 2 in a command, see mixer_edge.standard_error
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

    The converter gets a stand-in for every kernel, one number repeated, so it never handles the weights; these replace
    the stand-ins in the finished file. This takes a third of the time and of the memory.

    Raises:
        ModelError: the converter failed, or weights are missing in its file.
    """
    shapes = {key: array.shape for key, array in weights.arrays.items() if key.endswith("/kernel")}
    numbers = stand_in_numbers(shapes)
    # folded again below: this is fast, and kernels kept during the conversion would take a tenth of the peak memory
    vectors = {key: array for key, array in fold(weights).items() if key not in shapes}
    with quiet_tensorflow():
        import tensorflow as tf

        def network(images: tf.Tensor) -> dict[str, tf.Tensor]:
            kernels = {key: tf.constant(numbers[key], tf.float32, shape) for key, shape in shapes.items()}
            return {OUTPUT: folded_mixer(weights.config, vectors | kernels, images)}

        inputs = [tf.TensorSpec(weights.config.input_shape, tf.float32, name=INPUT)]
        function = tf.function(network, inputs, autograph=False)
        # the empty module is there to make the converter write a signature
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], tf.Module())
        converter.exclude_conversion_metadata = True  # writing it copies the whole file twice
        try:
            content = bytearray(converter.convert())
        except Exception as error:
            raise ModelError(f"TensorFlow's converter failed on the network: {error}") from error
    fill_stand_ins(content, numbers, fold(weights))
    return bytes(content)


def check_size(size_bytes: int, expected_bytes: int, name: str) -> None:
    """Check that a file is large enough for its weights; a converter can lose them without an error.

    Raises:
        ModelError: the size is below 95 % of the weights' (the rest allows for weights that fold into others).
    """
    if size_bytes < 0.95 * expected_bytes:
        raise ModelError(
            f"{name}: {size_bytes:,} bytes written for {expected_bytes:,} bytes of weights; the converter lost some"
        )


def reference_outputs(weights: MixerWeights, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the network's outputs ``[n, classes]`` for ``[n, H, W, 3]`` images in [-1, 1], computed in float64."""
    return exact_outputs(weights.config, weights.arrays.__getitem__, images)


def exact_outputs(
    config: MixerConfig, array: Callable[[str], NDArray[np.float32]], images: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return what ``reference_outputs`` returns, with an array for each published key."""

    class Float64:
        """Each array as float64, only while it is used."""

        def __getitem__(self, key: str) -> NDArray[np.float64]:
            return array(key).astype(np.float64)

    with quiet_tensorflow():
        import tensorflow as tf

        return np.asarray(mixer(config, Float64(), tf.constant(images, tf.float64))).astype(np.float32)
