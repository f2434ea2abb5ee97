"""Quantized tensors: ``real = (quantized - zero_point) * scale``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixer_edge.manifest import TensorSpec


def quantize(values: NDArray[np.float32], spec: TensorSpec) -> NDArray[np.generic]:
    """Return ``round(values / scale) + zero_point`` (ties to even), saturated to the dtype; floats pass unchanged."""
    if spec.scale is None or spec.zero_point is None:
        return values.astype(spec.dtype, copy=False)
    limits = np.iinfo(spec.dtype)
    steps = np.rint(values.astype(np.float64) / spec.scale) + spec.zero_point
    return np.clip(steps, limits.min, limits.max).astype(spec.dtype)


def dequantize(tensor: NDArray[np.generic], spec: TensorSpec) -> NDArray[np.float32]:
    """Return ``(tensor - zero_point) * scale`` as float32, subtracting in int64; floats pass unchanged."""
    if spec.scale is None or spec.zero_point is None:
        return tensor.astype(np.float32, copy=False)
    return ((tensor.astype(np.int64) - spec.zero_point) * spec.scale).astype(np.float32)
