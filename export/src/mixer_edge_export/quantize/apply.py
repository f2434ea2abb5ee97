"""Make the other variants from the float32 TFLite file: the model is converted once, then quantized per variant."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any, get_args

import numpy as np

from mixer_edge.errors import ModelError
from mixer_edge_export.quantize.activation_ranges import Ranges
from mixer_edge_export.quantize.variants import Method, Rule, Variant
from mixer_edge_export.tflite.graph import Graph

PIXEL_STEP = 1 / 127.5
"""Difference of two adjacent pixel values in the network's input."""
LOSSLESS_OFFSET = -128 * PIXEL_STEP
"""The input of a calibrated file is ``tensor = pixel / 127.5 + LOSSLESS_OFFSET``: (pixel - 128) steps."""
LOSSLESS_RANGE = (-128 * PIXEL_STEP, 127 * PIXEL_STEP)


def quantize_model(
    float_model: bytes, variant: Variant, ranges: Ranges, pixel_range: tuple[float, float] | None = None
) -> bytes:
    """Return the TFLite file of a variant, made from the float32 file.

    Args:
        float_model: the float32 TFLite file.
        variant: the variant to make.
        ranges: the activations' ranges by name; only a calibrated variant uses them.
        pixel_range: values for pixels 0 and 255 in the input; None for a Mixer, whose integer input is made lossless.

    Raises:
        ModelError: a rule of the variant has an unknown method.
    """
    if not variant.rules:
        return float_model
    from ai_edge_quantizer.quantizer import Quantizer

    shifted = variant.calibrated and pixel_range is None
    quantizer = Quantizer(shift_input(float_model) if shifted else float_model)
    for rule in variant.rules:
        _add_rule(quantizer, rule)
    statistics = {name: {"min": np.array(low), "max": np.array(high)} for name, (low, high) in ranges.items()}
    if variant.calibrated:
        low, high = pixel_range or LOSSLESS_RANGE
        statistics[Graph.read(float_model).inputs[0].name] = {"min": np.array(low), "max": np.array(high)}
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore", UserWarning)  # as in observe; standard error would also get its progress bars
        result = quantizer.quantize(statistics if variant.calibrated else None, enable_progress_report=False)
    return bytes(result.quantized_model)


def shift_input(float_model: bytes) -> bytes:
    """Return a file with the same outputs for an input that is smaller by half a pixel step.

    The network's input for a pixel p is p / 127.5 - 1 = (p - 128) / 127.5 + 0.5 / 127.5. The half step is folded into
    the stem, bias + 0.5 / 127.5 * sum(kernel), so the input is (p - 128) / 127.5: int8 at scale 1/127.5 and zero
    point 0 represents every pixel exactly.
    """
    content = bytearray(float_model)
    stem = next(op for op in Graph.read(content).operators if op.name == "CONV_2D")
    # views of ``content``: writing to them changes the file
    kernel, bias = stem.inputs[1].values, stem.inputs[2].values
    bias += (0.5 * PIXEL_STEP * kernel.reshape(bias.size, -1).sum(axis=1, dtype=np.float64)).astype(np.float32)
    return bytes(content)


def _add_rule(quantizer: Any, rule: Rule) -> None:
    from ai_edge_quantizer import qtyping

    for name in rule.operators:
        operation = qtyping.TFLOperationName(name)
        match rule.method:
            case "static":
                quantizer.add_static_config(
                    rule.layers, operation, activation_num_bits=rule.activation_bits, weight_num_bits=8
                )
            case "dynamic":
                quantizer.add_dynamic_config(rule.layers, operation, num_bits=8)
            case "float16":
                half = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
                config = qtyping.OpQuantizationConfig(
                    weight_tensor_config=half,
                    compute_precision=qtyping.ComputePrecision.FLOAT,
                    explicit_dequantize=True,
                )
                quantizer.update_quantization_recipe(rule.layers, operation, config, algorithm_key="float_casting")
            case "none":
                quantizer.update_quantization_recipe(rule.layers, operation, algorithm_key="no_quantize")
            case unknown:
                raise ModelError(
                    f"a rule for {name} has the method {unknown!r}; expected one of {', '.join(get_args(Method))}"
                )
