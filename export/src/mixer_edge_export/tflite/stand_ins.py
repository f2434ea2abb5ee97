"""Stand-ins for kernels: the converter gets one number repeated, and the weights replace it in the finished file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import ModelError
from mixer_edge_export.tflite.graph import Graph


def stand_in_numbers(keys: Iterable[str]) -> dict[str, float]:
    """Return a different number for each kernel, exact in float32.

    They must be different because the converter merges equal constants.
    """
    return {key: 1 + index / 256 for index, key in enumerate(keys)}


def fill_stand_ins(
    content: bytearray, numbers: Mapping[str, float], kernels: Mapping[str, NDArray[np.float32]]
) -> None:
    """Replace each constant that repeats a kernel's number by the kernel.

    Args:
        content: the TFLite file.
        numbers: the result of ``stand_in_numbers``.
        kernels: by the same keys, ``[in, out]`` or ``[height, width, in, out]`` float32.

    Raises:
        ModelError: the file does not contain each stand-in once.
    """
    keys = {number: key for key, number in numbers.items()}
    filled: Counter[str] = Counter()
    for tensor in Graph.read(content).tensors:
        if tensor.dtype != "float32" or tensor.buffer is None:
            continue
        values = tensor.values.reshape(-1)
        key = keys.get(float(values[0]))
        if key is None or kernels[key].size != values.size or not (values == values[0]).all():
            continue
        kernel = kernels[key]
        # TFLite's layout is [out, in] for a dense kernel and [out, height, width, in] for a convolution's
        transposed = kernel.T if kernel.ndim == 2 else kernel.transpose(3, 0, 1, 2)
        values.reshape(transposed.shape)[...] = transposed
        filled[key] += 1
    for key in numbers:
        if filled[key] != 1:
            raise ModelError(f"TensorFlow's converter wrote the kernel {key!r} {filled[key]} times; expected it once")
