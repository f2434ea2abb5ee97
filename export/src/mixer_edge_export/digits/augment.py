"""Augmentation of the training digits, so that the model also recognises drawn or photographed digits.

A quarter of the pictures keep the look of the data set, black on white and filling the square, with a slight shift,
rotation and stretch. The others get strokes with an edge, thin or thick, at any size and position, in a pen's colour on
tinted, unevenly lit and grainy paper; 15 % of these are light on dark.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from mixer_edge_export.digits.images import SIDE

if TYPE_CHECKING:
    import tensorflow as tf

PLAIN = 0.25
"""Share of the pictures that keep the data set's look."""

MARGIN = 12
"""Empty paper around a digit, in pixels of its PNG file, with room for smoothed strokes."""


def read_inks(paths: list[Path]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the ink of 64 by 64 PNG files, a smoothed copy, and a copy blurred over more than a stroke's width.

    Each is ``[N, 88, 88]`` float32 in [0, 1]; 1 is full ink. ``smoothed - a * blurred`` is higher along the middle of a
    stroke than at its sides; this restores the holes and thin strokes that are lost at 8 by 8 pixels.
    """
    from scipy.ndimage import gaussian_filter

    ink = 1 - np.stack([np.asarray(Image.open(path)) for path in paths]).astype(np.float32) / np.float32(255)
    ink = np.pad(ink, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))
    return ink, gaussian_filter(ink, (0, 2, 2)), gaussian_filter(ink, (0, 6.3, 6.3))


def redraw(inks: tuple[tf.Tensor, tf.Tensor, tf.Tensor], size: int, seed: tf.Tensor) -> tf.Tensor:
    """Return ``[N, size, size, 3]`` float32 in [-1, 1], every picture redrawn from the inks of ``read_inks``.

    Args:
        inks: three arrays ``[N, 88, 88]``.
        size: width and height of a result, in pixels.
        seed: int32 ``[2]``; the same seed gives the same pictures.
    """
    import tensorflow as tf

    count = inks[0].shape[0]
    seeds = iter(tf.unstack(tf.random.split(seed, 32)))

    def uniform(low: float, high: float, channels: int = 1) -> tf.Tensor:
        return tf.random.stateless_uniform([count, 1, 1, channels], next(seeds), low, high)

    plain = uniform(0, 1) < PLAIN
    ink, smoothed, blurred = (array[..., None] for array in inks)
    thinning = uniform(0.2, 1.1)
    field = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.where(plain, ink, smoothed - thinning * blurred),
        transforms=_transforms(plain, uniform, size),
        output_shape=[size, size],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    threshold = tf.where(plain, 0.5, uniform(0.4, 0.55) - 0.35 * thinning)
    # steep enough that bare paper, where the field is 0, gets no ink
    steepness = tf.where(plain, 1.0, tf.maximum(tf.exp(uniform(math.log(3), math.log(20))), 0.5 / threshold))
    stroke = tf.clip_by_value((field - threshold) * steepness + 0.5, 0, 1)

    paper = tf.minimum(uniform(0.65, 1.05) + uniform(-0.15, 0.1, 3), 1.0)
    pen = tf.maximum(uniform(-0.05, 0.35) + uniform(-0.1, 0.2, 3), 0.0)
    swap = uniform(0, 1) < 0.15
    paper, pen = tf.where(swap, pen, paper), tf.where(swap, paper, pen)
    paper, pen = tf.where(plain, 1.0, paper), tf.where(plain, 0.0, pen)
    ramp = tf.linspace(-0.5, 0.5, size)
    light = uniform(-0.3, 0.3) * ramp[None, :, None, None] + uniform(-0.3, 0.3) * ramp[None, None, :, None]
    # the same grain for the whole batch: one per picture would take as long as the network
    grain = uniform(-1, 1) * tf.random.stateless_uniform([1, size, size, 1], next(seeds), -0.07, 0.07)
    shade = 1 + tf.where(plain, 0.0, light + grain)

    mixture = tf.reshape(tf.concat([shade, shade * stroke], axis=-1), [count, size * size, 2])
    colours = tf.concat([paper, pen - paper], axis=1)[:, :, 0]
    image = tf.reshape(tf.matmul(mixture, 2 * colours), [count, size, size, 3])
    return tf.clip_by_value(image - 1, -1, 1)


def _transforms(plain: tf.Tensor, uniform: Callable[[float, float], tf.Tensor], size: int) -> tf.Tensor:
    """Return ``[N, 8]``: random affine maps from the result's pixels to the ink's, in the op's order."""
    import tensorflow as tf

    mild = tf.where(plain, 0.2, 1.0)
    scale = tf.where(plain, uniform(0.95, 1.05), uniform(0.45, 1.1))
    stretch = tf.exp(mild * uniform(-0.2, 0.35))
    angle, shear = mild * uniform(-0.3, 0.3), mild * uniform(-0.25, 0.25)
    room = size * (0.03 + 0.3 * tf.maximum(0.0, 1 - scale))
    centre_x, centre_y = ((size - 1) / 2 + room * uniform(-1, 1) for _ in "xy")
    cos, sin = tf.cos(angle) * SIDE / (size * scale), tf.sin(angle) * SIDE / (size * scale)
    xx, xy, yx, yy = cos / stretch + shear * sin, sin / stretch + shear * cos, -sin, cos
    middle = (SIDE - 1) / 2 + MARGIN
    x, y = middle - xx * centre_x - xy * centre_y, middle - yx * centre_x - yy * centre_y
    rows = tf.concat([xx, xy, x, yx, yy, y, tf.zeros_like(x), tf.zeros_like(y)], axis=-1)
    return tf.reshape(rows, [-1, 8])
