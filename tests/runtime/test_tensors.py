"""Quantization by hand-computed integers."""

import numpy as np

from mixer_edge.manifest import TensorSpec
from mixer_edge.tensors import dequantize, quantize


def spec(dtype: str, scale: float | None, zero_point: int | None) -> TensorSpec:
    """Return a tensor of this quantization."""
    return TensorSpec(name="x", dtype=dtype, shape=(1,), scale=scale, zero_point=zero_point)


def test_quantize_rounds_ties_to_even_and_saturates_at_both_ends() -> None:
    """Scale 0.5, zero point -1: 0.25 is half a step and goes to even; 63.9 and 64 hit 127; -70 hits -128."""
    values = np.array([0.0, 0.25, 0.75, -0.25, 63.9, 64.0, 100.0, -63.5, -70.0], np.float32)
    expected = np.array([-1, -1, 1, -1, 127, 127, 127, -128, -128], np.int8)
    result = quantize(values, spec("int8", 0.5, -1))
    assert result.dtype == np.int8
    np.testing.assert_array_equal(result, expected)


def test_dequantize_subtracts_in_wide_integers() -> None:
    """127 - (-128) does not fit int8: the difference must be 255."""
    result = dequantize(np.array([-128, 0, 127], np.int8), spec("int8", 0.5, -128))
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, np.array([0.0, 64.0, 127.5], np.float32))


def test_float_tensors_pass_unchanged() -> None:
    """A float tensor has no scale and keeps its values."""
    values = np.array([-1.0, 0.3], np.float32)
    assert quantize(values, spec("float32", None, None)) is values
    assert dequantize(values, spec("float32", None, None)) is values


def test_the_lossless_input_scale_gives_the_pixel_minus_128() -> None:
    """With scale 1/127.5 and zero point 0, the value (p - 128) / 127.5 is p - 128 for every pixel p."""
    pixels = np.arange(256)
    values = ((pixels - 128) / np.float32(127.5)).astype(np.float32)
    np.testing.assert_array_equal(quantize(values, spec("int8", 1 / 127.5, 0)), (pixels - 128).astype(np.int8))
