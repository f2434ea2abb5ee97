"""From the float32 TFLite file to the other variants: converted once, its weights rewritten per variant."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixer_edge_export.quantize.activation_ranges import Ranges, observe, tune
from mixer_edge_export.quantize.variants import Rule, Variant

PIXEL_STEP = 1 / 127.5
"""Distance of two neighbouring pixel values in the network's input."""
LOSSLESS_OFFSET = -128 * PIXEL_STEP
"""``tensor = pixel / 127.5 + LOSSLESS_OFFSET`` is what a calibrated file takes: (pixel - 128) steps."""
LOSSLESS_RANGE = (-128 * PIXEL_STEP, 127 * PIXEL_STEP)


def measure_ranges(float_model: bytes, images: Iterable[NDArray[np.float32]], total: int) -> Ranges:
    """Return the range of every activation on the calibration pictures; their order does not matter.

    How, and why so: see ``mixer_edge_export.quantize.activation_ranges``.
    """
    return tune(observe(float_model, images, total))


def quantize_model(
    float_model: bytes, variant: Variant, ranges: Ranges, pixel_range: tuple[float, float] | None = None
) -> bytes:
    """Return the TFLite file of a variant, made from the float32 file.

    Args:
        float_model: the float32 TFLite file.
        variant: which one.
        ranges: the activations' ranges by name, of use for a calibrated variant.
        pixel_range: what pixels 0 and 255 become in the input; None for a Mixer, whose integer input is made lossless.
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
        statistics[_input_name(float_model)] = {"min": np.array(low), "max": np.array(high)}
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore", UserWarning)  # as in ranges; and its progress bars show on any output
        result = quantizer.quantize(statistics if variant.calibrated else None, enable_progress_report=False)
    return bytes(result.quantized_model)


def shift_input(float_model: bytes) -> bytes:
    """Return the file for pictures that are darker by half a pixel step, with the same outputs.

    A pixel p is p / 127.5 - 1 = (p - 128) / 127.5 + 0.5 / 127.5 to the network. With the half step folded into the
    stem, bias + 0.5 / 127.5 * sum(kernel), the input is (p - 128) / 127.5: int8 at scale 1/127.5 and zero point 0
    holds every pixel exactly.
    """
    from ai_edge_litert import schema_py_generated as schema

    content = bytearray(float_model)
    model = schema.Model.GetRootAs(content)
    graph = model.Subgraphs(0)
    codes = [model.OperatorCodes(index).BuiltinCode() for index in range(model.OperatorCodesLength())]
    operators = (graph.Operators(index) for index in range(graph.OperatorsLength()))
    stem = next(op for op in operators if codes[op.OpcodeIndex()] == schema.BuiltinOperator.CONV_2D)
    # views into ``content``: what is written to them is written to the file
    kernel, bias = (
        model.Buffers(graph.Tensors(stem.Inputs(place)).Buffer()).DataAsNumpy().view(np.float32) for place in (1, 2)
    )
    bias += (0.5 * PIXEL_STEP * kernel.reshape(bias.size, -1).sum(axis=1, dtype=np.float64)).astype(np.float32)
    return bytes(content)


def _input_name(float_model: bytes) -> str:
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.Model.GetRootAs(float_model).Subgraphs(0)
    return str(graph.Tensors(graph.Inputs(0)).Name().decode())


def _add_rule(quantizer: Any, rule: Rule) -> None:
    from ai_edge_quantizer import qtyping

    for name in rule.operators:
        operation = qtyping.TFLOperationName(name)
        if rule.method == "static":
            quantizer.add_static_config(
                rule.layers, operation, activation_num_bits=rule.activation_bits, weight_num_bits=8
            )
        elif rule.method == "dynamic":
            quantizer.add_dynamic_config(rule.layers, operation, num_bits=8)
        elif rule.method == "float16":
            half = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
            config = qtyping.OpQuantizationConfig(
                weight_tensor_config=half,
                compute_precision=qtyping.ComputePrecision.FLOAT,
                explicit_dequantize=True,
            )
            quantizer.update_quantization_recipe(rule.layers, operation, config, algorithm_key="float_casting")
        else:
            quantizer.update_quantization_recipe(rule.layers, operation, algorithm_key="no_quantize")
