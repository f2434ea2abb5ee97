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
from mixer_edge_export.folding import fold, folded_mixer
from mixer_edge_export.mixer import MixerWeights, mixer

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
    # exact in float32 and all different: the converter merges constants that are equal
    stand_ins = {key: 1 + index / 256 for index, key in enumerate(shapes)}
    # folded again below: that is quick, and kernels held during the conversion would be a tenth of the peak memory
    vectors = {key: array for key, array in fold(weights).items() if key not in shapes}
    with quiet_tensorflow():
        import tensorflow as tf

        def network(images: tf.Tensor) -> dict[str, tf.Tensor]:
            kernels = {key: tf.constant(stand_ins[key], tf.float32, shape) for key, shape in shapes.items()}
            return {OUTPUT: folded_mixer(weights.config, vectors | kernels, images)}

        function = tf.function(network, [tf.TensorSpec(weights.config.input_shape, tf.float32, name=INPUT)])
        # the empty module only makes the converter write a signature
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], tf.Module())
        converter.exclude_conversion_metadata = True  # writing it copies the whole file twice
        try:
            content = bytearray(converter.convert())
        except Exception as error:
            raise ModelError(f"TensorFlow's converter refused the network: {error}") from error
    arrays = fold(weights)
    filled = _fill(content, {stand_in: arrays[key] for key, stand_in in stand_ins.items()})
    if filled != len(shapes):
        raise ModelError(f"TensorFlow's converter kept {filled} of {len(shapes)} kernels; expected each of them once")
    return bytes(content)


def _fill(content: bytearray, arrays: dict[float, NDArray[np.float32]]) -> int:
    """Write each array over the tensor that repeats its number; return how many such tensors there were."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content)
    graph, filled = model.Subgraphs(0), 0
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        buffer = model.Buffers(tensor.Buffer())
        if tensor.Type() != schema.TensorType.FLOAT32 or not buffer.DataLength():
            continue
        values = buffer.DataAsNumpy().view(np.float32)
        array = arrays.get(float(values[0]))
        if array is None or array.size != values.size or not (values == values[0]).all():
            continue
        # TFLite keeps a dense kernel as [out, in] and a convolution's as [out, height, width, in]
        turned = array.T if array.ndim == 2 else array.transpose(3, 0, 1, 2)
        values.reshape(turned.shape)[...] = turned
        filled += 1
    return filled


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
