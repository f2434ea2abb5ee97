"""A Mixer as a SavedModel of the kind that the Hub's exporter wrote: XLA ops, and variables without names.

The twins in ``tests/export/twins`` come from that exporter itself; this writes any weights, with current TensorFlow.
The variance is ``mean(x²) - mean(x)²``, as in Flax: in float32 its error grows with the square of the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla
from tensorflow.compiler.xla import xla_data_pb2

from mixer_edge_export.network.mixer import MixerConfig, MixerWeights

CHANNELS_LAST = xla_data_pb2.ConvolutionDimensionNumbers(
    input_batch_dimension=0,
    input_spatial_dimensions=[1, 2],
    input_feature_dimension=3,
    kernel_spatial_dimensions=[0, 1],
    kernel_input_feature_dimension=2,
    kernel_output_feature_dimension=3,
    output_batch_dimension=0,
    output_spatial_dimensions=[1, 2],
    output_feature_dimension=3,
)


def write_saved_model(
    weights: MixerWeights,
    folder: Path,
    *,
    batch: int | None = None,
    owner: str = "variables",
    signatures: Sequence[str] = ("serving_default",),
) -> None:
    """Write the SavedModel; ``batch`` None takes any number of pictures, ``owner`` names the variables' list."""
    keys = sorted(weights.arrays, key=lambda key: key.split("/"))
    variables = [tf.Variable(weights.arrays[key], trainable=False) for key in keys]
    arrays = dict(zip(keys, variables, strict=True))
    shape = [batch, *weights.config.input_shape[1:]]
    function = tf.function(lambda inputs: _mixer(weights.config, arrays, inputs), autograph=False, jit_compile=True)
    signature = function.get_concrete_function(tf.TensorSpec(shape, tf.float32, name="inputs"))
    model = tf.train.Checkpoint()
    setattr(model, owner, variables)
    model.__call__ = function
    tf.saved_model.save(model, str(folder), signatures=dict.fromkeys(signatures, signature))


def noisy(weights: MixerWeights, stem_bias: float = 40) -> MixerWeights:
    """Return the weights of the same function with a source whose rounding shows.

    The stem's bias is 40 higher; every third channel of the LayerNorms before channel mixing and before the head is
    60 times as large, and the weights behind them are smaller by as much.
    """
    arrays = {key: array.copy() for key, array in weights.arrays.items()}
    arrays["stem/bias"] += stem_bias
    blocks = range(weights.config.num_blocks)
    pairs = [(f"MixerBlock_{n}/LayerNorm_1", f"MixerBlock_{n}/channel_mixing/Dense_0/kernel") for n in blocks]
    for norm, kernel in [*pairs, ("pre_head_layer_norm", "head/kernel")]:
        arrays[f"{norm}/scale"][::3] *= 60
        arrays[f"{norm}/bias"][::3] *= 60
        arrays[kernel][::3] /= 60
    return MixerWeights.from_arrays(arrays, "noisy")


def _mixer(config: MixerConfig, weights: Mapping[str, Any], images: tf.Tensor) -> tf.Tensor:
    def dense(x: tf.Tensor, prefix: str) -> tf.Tensor:
        numbers = xla.DotDimensionNumbers(lhs_contracting_dimensions=[len(x.shape) - 1], rhs_contracting_dimensions=[0])
        return xla.dot_general(x, weights[f"{prefix}/kernel"], numbers, use_v2=True) + weights[f"{prefix}/bias"]

    def mlp(x: tf.Tensor, prefix: str) -> tf.Tensor:
        return dense(tf.nn.gelu(dense(x, f"{prefix}/Dense_0"), approximate=True), f"{prefix}/Dense_1")

    def norm(x: tf.Tensor, prefix: str) -> tf.Tensor:
        mean = tf.reduce_mean(x, axis=-1, keepdims=True)
        variance = tf.maximum(0.0, tf.reduce_mean(x * x, axis=-1, keepdims=True) - mean * mean)
        return (x - mean) * (tf.math.rsqrt(variance + 1e-6) * weights[f"{prefix}/scale"]) + weights[f"{prefix}/bias"]

    patch = [config.patch_size] * 2
    padding, ones = np.zeros((2, 2), np.int32), [1, 1]
    x = xla.conv(images, weights["stem/kernel"], patch, padding, ones, ones, CHANNELS_LAST, use_v2=True)
    x += weights["stem/bias"]
    x = tf.reshape(x, [tf.shape(images)[0], config.num_tokens, config.hidden_dim])
    for block in range(config.num_blocks):
        prefix = f"MixerBlock_{block}"
        y = mlp(tf.transpose(norm(x, f"{prefix}/LayerNorm_0"), [0, 2, 1]), f"{prefix}/token_mixing")
        x += tf.transpose(y, [0, 2, 1])
        x += mlp(norm(x, f"{prefix}/LayerNorm_1"), f"{prefix}/channel_mixing")
    x = tf.reduce_mean(norm(x, "pre_head_layer_norm"), axis=1)
    return dense(x, "head") if "head/kernel" in weights else x
