"""Exact transformations of a Mixer's weights: the same function, with fewer ops and smaller ranges to quantize.

1. Scale and bias of the channel-mixing LayerNorm fold into the next dense layer, those of the final LayerNorm into the
   head (mean pooling between them is linear): ``(z * scale + bias) @ W + b = z @ (scale * W) + (bias @ W + b)``.
   Those of token mixing do not fold: they act on channels, its dense layers on tokens.
2. Every reader of the residual stream is a LayerNorm, which subtracts the mean over the channels. So the stream's mean
   can always be zero: the stem and the last dense layer of channel mixing have it subtracted from their weights, and
   the channel-mixing LayerNorm passes on the stream that it has centred. The other LayerNorms need no centring then.
3. The stem's patches do not overlap, so a row of a patch, ``patch_size`` pixels of 3 channels, equals one pixel of
   ``3 * patch_size`` channels: the same numbers in the same order in memory. Integer kernels pad the channels of each
   pixel to 8 (4 with a dot product), so 3 of them cost four times (nearly three times) as much.

4. A hidden unit whose weights are all zero is a constant: its GELU times the next weights folds into the next bias.

1, 2 and 4 remove causes of accuracy loss in a quantized file: channels of a LayerNorm that are large only because the
next weights make them small, a constant on the stream that no reader uses, and a large constant among hidden units.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mixer_edge_export.network.mixer import (
    FINAL_NORM,
    HEAD,
    LAYER_NORM_EPSILON,
    STEM,
    MixerConfig,
    MixerWeights,
    dense,
    gelu,
    mlp,
)

if TYPE_CHECKING:
    import tensorflow as tf


def fold(weights: MixerWeights) -> dict[str, np.ndarray]:
    """Return the float32 arrays of ``folded_mixer`` by published key, without those that fold away; sums in float64."""
    arrays = dict(weights.arrays)

    def fold_norm(norm: str, dense: str) -> None:
        scale, bias, kernel = arrays.pop(f"{norm}/scale"), arrays.pop(f"{norm}/bias"), arrays[f"{dense}/kernel"]
        shift = bias.astype(np.float64) @ kernel.astype(np.float64)
        arrays[f"{dense}/bias"] = (arrays[f"{dense}/bias"] + shift).astype(np.float32)
        arrays[f"{dense}/kernel"] = scale[:, np.newaxis] * kernel

    def centre(layer: str) -> None:
        for leaf in ("kernel", "bias"):
            array = arrays[f"{layer}/{leaf}"]
            arrays[f"{layer}/{leaf}"] = array - array.mean(-1, np.float64, keepdims=True).astype(np.float32)

    def fold_constants(mixing: str) -> None:
        bias, kernel = arrays[f"{mixing}/Dense_0/bias"], arrays[f"{mixing}/Dense_1/kernel"]
        constant = np.logical_not(arrays[f"{mixing}/Dense_0/kernel"].any(axis=0))
        if not constant.any():
            return
        shift = gelu(bias[constant].astype(np.float64)) @ kernel[constant].astype(np.float64)
        arrays[f"{mixing}/Dense_1/bias"] = (arrays[f"{mixing}/Dense_1/bias"] + shift).astype(np.float32)
        arrays[f"{mixing}/Dense_0/bias"] = np.where(constant, np.float32(0), bias)
        arrays[f"{mixing}/Dense_1/kernel"] = np.where(constant[:, np.newaxis], np.float32(0), kernel)

    centre(STEM)
    for block in range(weights.config.num_blocks):
        fold_norm(f"MixerBlock_{block}/LayerNorm_1", f"MixerBlock_{block}/channel_mixing/Dense_0")
        fold_constants(f"MixerBlock_{block}/token_mixing")
        fold_constants(f"MixerBlock_{block}/channel_mixing")
        centre(f"MixerBlock_{block}/channel_mixing/Dense_1")
    if weights.config.num_classes is not None:
        fold_norm(FINAL_NORM, HEAD)
    return arrays


def folded_mixer(config: MixerConfig, weights: Mapping[str, Any], images: tf.Tensor) -> tf.Tensor:
    """Return what ``mixer`` returns, ``[1, num_classes]`` or ``[1, hidden_dim]``, from the arrays of ``fold``.

    Each layer's ops are named by its published key; the TFLite file keeps these names.

    Args:
        config: shape of the network.
        weights: arrays by published key, as ``fold`` returns them.
        images: ``[1, image_size, image_size, 3]`` float32 in [-1, 1], channels last.
    """
    import tensorflow as tf

    def normalise(centred: tf.Tensor) -> tf.Tensor:
        # a product instead of a squared difference: every TFLite has an integer kernel for it; without the relu, which
        # changes nothing, XNNPACK makes a mean of squares of it, which has no kernel in half precision
        variance = tf.reduce_mean(tf.nn.relu(centred * centred), axis=-1, keepdims=True)
        return centred * tf.math.rsqrt(variance + LAYER_NORM_EPSILON)

    def affine(z: tf.Tensor, norm: str) -> tf.Tensor:
        return z * weights[f"{norm}/scale"] + weights[f"{norm}/bias"]

    side, patch = config.image_size, config.patch_size
    with tf.name_scope(STEM):
        x = tf.reshape(images, [1, side, side // patch, patch * 3])
        kernel = tf.reshape(weights[f"{STEM}/kernel"], [patch, 1, patch * 3, config.hidden_dim])
        x = tf.nn.conv2d(x, kernel, [patch, 1], "VALID") + weights[f"{STEM}/bias"]
        x = tf.reshape(x, [1, config.num_tokens, config.hidden_dim])
    for block in range(config.num_blocks):
        prefix = f"MixerBlock_{block}"
        with tf.name_scope(f"{prefix}/LayerNorm_0"):
            y = tf.transpose(affine(normalise(x), f"{prefix}/LayerNorm_0"), [0, 2, 1])
        y = mlp(weights, y, f"{prefix}/token_mixing")
        with tf.name_scope(f"{prefix}/LayerNorm_1"):
            x += tf.transpose(y, [0, 2, 1])
            x -= tf.reduce_mean(x, axis=-1, keepdims=True)
            y = normalise(x)
        y = mlp(weights, y, f"{prefix}/channel_mixing")
        x += y
    with tf.name_scope(FINAL_NORM):
        x = normalise(x)
        if config.num_classes is None:
            x = affine(x, FINAL_NORM)
        x = tf.reduce_mean(x, axis=1)
    return x if config.num_classes is None else dense(weights, x, HEAD)
