"""From the float32 TFLite file to the other variants: converted once, its weights rewritten per variant."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mixer_edge.progress import progress
from mixer_edge_export.layers import INTEGER_OPS, Layer
from mixer_edge_export.variants import Variant

Ranges = dict[str, tuple[float, float]]


def measure_ranges(float_model: bytes, images: Iterable[NDArray[np.float32]], total: int) -> Ranges:
    """Return the least and the greatest value of every activation at the edge of a convolution or dense layer.

    The order of the images does not matter.

    Args:
        float_model: the float32 TFLite file.
        images: ``[1, H, W, 3]`` float32 in [-1, 1] each.
        total: how many they are, for the progress bar.
    """
    from ai_edge_litert.interpreter import Interpreter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it warns that keeping all tensors costs memory: it is the point
        interpreter = Interpreter(model_content=float_model, experimental_preserve_all_tensors=True)
        interpreter.allocate_tensors()
    names = {details["index"]: details["name"] for details in interpreter.get_tensor_details()}
    operators = [op for op in interpreter._get_ops_details() if op["op_name"] in INTEGER_OPS]
    observed = sorted({int(index) for op in operators for index in (op["inputs"][0], op["outputs"][0])})
    ranges = dict.fromkeys(observed, (np.inf, -np.inf))
    for image in progress(images, "calibrating", total):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
        interpreter.invoke()
        for index in observed:
            tensor = interpreter.get_tensor(index)
            low, high = ranges[index]
            ranges[index] = (min(low, float(tensor.min())), max(high, float(tensor.max())))
    return {names[index]: limits for index, limits in ranges.items()}


def quantize_model(float_model: bytes, variant: Variant, ranges: Ranges, keep_float: Iterable[Layer] = ()) -> bytes:
    """Return the TFLite file of a variant, made from the float32 file.

    Args:
        float_model: the float32 TFLite file.
        variant: which one to make.
        ranges: of the activations, for a calibrated variant.
        keep_float: layers that a calibrated variant leaves in float.
    """
    if variant.name == "float32":
        return float_model
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.quantizer import Quantizer

    quantizer = Quantizer(float_model)
    operations = qtyping.TFLOperationName
    if variant.calibrated:
        for name in INTEGER_OPS:
            quantizer.add_static_config(".*", operations(name), activation_num_bits=8, weight_num_bits=8)
        for layer in keep_float:  # an operator's scope is its output's name and a semicolon; the last match decides
            scope = f"^{re.escape(layer.output)};$"
            quantizer.update_quantization_recipe(scope, operations(layer.operator), algorithm_key="no_quantize")
    else:
        half = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
        config = qtyping.OpQuantizationConfig(
            weight_tensor_config=half,
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        )
        quantizer.update_quantization_recipe(".*", operations.ALL_SUPPORTED, config, algorithm_key="float_casting")
    statistics = {name: {"min": np.array(low), "max": np.array(high)} for name, (low, high) in ranges.items()}
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore", UserWarning)  # as above; and its progress bars show on any output
        result = quantizer.quantize(statistics if variant.calibrated else None, enable_progress_report=False)
    return bytes(result.quantized_model)
