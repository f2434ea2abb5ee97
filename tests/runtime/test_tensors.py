"""Quantization by hand-computed integers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

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


def limits(dtype: str) -> tuple[int, int]:
    """Return the least and the greatest integer of a dtype."""
    facts = np.iinfo(dtype)
    return int(facts.min), int(facts.max)


@st.composite
def quantizations(draw: st.DrawFn) -> TensorSpec:
    """Draw an integer tensor with a float32 scale, as a TFLite file keeps it, and any zero point of its dtype."""
    dtype = draw(st.sampled_from(["int8", "uint8", "int16"]))
    scale = draw(st.floats(2**-40, 2**20, width=32))
    return spec(dtype, scale, draw(st.integers(*limits(dtype))))


def every_integer(quantization: TensorSpec) -> np.ndarray:
    """Return all values that the tensor's dtype has, in rising order."""
    low, high = limits(quantization.dtype)
    return np.arange(low, high + 1).astype(quantization.dtype)


FLOATS = arrays(np.float32, array_shapes(), elements=st.floats(-(2**40), 2**40, width=32))


@given(quantizations())
def test_every_integer_comes_back_from_its_real_value(quantization: TensorSpec) -> None:
    """Whatever scale and zero point, quantize undoes dequantize for all integers of the dtype."""
    integers = every_integer(quantization)
    np.testing.assert_array_equal(quantize(dequantize(integers, quantization), quantization), integers)


@given(quantizations())
def test_dequantize_is_exact_arithmetic_rounded_once(quantization: TensorSpec) -> None:
    """No integer of the dtype overflows: each real value is that of Python's unbounded integers."""
    integers = every_integer(quantization)
    expected = [(int(integer) - quantization.zero_point) * quantization.scale for integer in integers]
    np.testing.assert_array_equal(dequantize(integers, quantization), np.array(expected).astype(np.float32))


@given(quantizations(), FLOATS, st.lists(st.integers(-300, 300)))
def test_quantize_is_the_formula_of_each_value(quantization: TensorSpec, values: np.ndarray, steps: list[int]) -> None:
    """Python's own round (ties to even) and unbounded integers give the same, saturated; near ties float64 decides."""
    low, high = limits(quantization.dtype)
    near_ties = (np.array(steps) + 0.5) * quantization.scale
    values = np.concatenate([values.ravel(), near_ties.astype(np.float32)])
    expected = [round(float(value) / quantization.scale) + quantization.zero_point for value in values]
    result = quantize(values, quantization)
    assert result.dtype == quantization.dtype
    assert result.tolist() == [min(max(integer, low), high) for integer in expected]


@given(quantizations(), st.lists(st.floats(0, 1), min_size=1))
def test_a_value_in_range_moves_by_half_a_step_at_most(quantization: TensorSpec, places: list[float]) -> None:
    """Between the least and the greatest real value nothing is off by more than half a step and float32's rounding."""
    low, high = dequantize(every_integer(quantization)[[0, -1]], quantization).astype(np.float64)
    values = (low + (high - low) * np.array(places)).astype(np.float32)
    error = np.abs(dequantize(quantize(values, quantization), quantization).astype(np.float64) - values)
    assert (error <= quantization.scale / 2 + np.spacing(np.float32(max(-low, high)))).all()


@given(quantizations(), FLOATS)
def test_quantize_keeps_the_order(quantization: TensorSpec, values: np.ndarray) -> None:
    """A greater value never becomes a smaller integer, and the infinities become the dtype's ends."""
    rising = np.concatenate([[-np.inf], np.sort(values, axis=None), [np.inf]]).astype(np.float32)
    integers = quantize(rising, quantization)
    assert (integers[1:] >= integers[:-1]).all()
    assert (integers[0], integers[-1]) == limits(quantization.dtype)
