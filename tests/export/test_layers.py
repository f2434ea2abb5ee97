"""Layers by the Mixer's names, and leaving single ones in float."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixer_edge.bundle import Bundle
from mixer_edge.errors import ModelError
from mixer_edge_export.calibration import CalibrationRecord
from mixer_edge_export.layers import find_layers
from mixer_edge_export.quantize import quantize_model
from mixer_edge_export.variants import VARIANTS


def kernel_dtypes(model: bytes) -> list[str]:
    """Return the dtype of each convolution and dense kernel of a file, in the order of the network."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model)
    tensors = {details["index"]: details for details in interpreter.get_tensor_details()}
    operators = [op for op in interpreter._get_ops_details() if op["op_name"] in ("CONV_2D", "FULLY_CONNECTED")]
    return [tensors[op["inputs"][1]]["dtype"].__name__ for op in operators]


def test_layers_have_the_published_names_in_the_order_of_the_network(tiny_bundle: Path) -> None:
    """Two blocks are a stem, four dense layers each and a head, with the sizes of their kernels."""
    bundle = Bundle.open(tiny_bundle)
    layers = find_layers(bundle.model_path("float32").read_bytes(), bundle.manifest.architecture)
    assert [(layer.name, layer.operator, layer.kernel_size) for layer in layers] == [
        ("stem", "CONV_2D", 16 * 16 * 3 * 32),
        ("MixerBlock_0/token_mixing/Dense_0", "FULLY_CONNECTED", 16 * 24),
        ("MixerBlock_0/token_mixing/Dense_1", "FULLY_CONNECTED", 24 * 16),
        ("MixerBlock_0/channel_mixing/Dense_0", "FULLY_CONNECTED", 32 * 64),
        ("MixerBlock_0/channel_mixing/Dense_1", "FULLY_CONNECTED", 64 * 32),
        ("MixerBlock_1/token_mixing/Dense_0", "FULLY_CONNECTED", 16 * 24),
        ("MixerBlock_1/token_mixing/Dense_1", "FULLY_CONNECTED", 24 * 16),
        ("MixerBlock_1/channel_mixing/Dense_0", "FULLY_CONNECTED", 32 * 64),
        ("MixerBlock_1/channel_mixing/Dense_1", "FULLY_CONNECTED", 64 * 32),
        ("head", "FULLY_CONNECTED", 32 * 10),
    ]


def test_a_file_of_another_architecture_is_refused(tiny_bundle: Path) -> None:
    """A head of eleven classes is not the file's, and the message has both lists."""
    bundle = Bundle.open(tiny_bundle)
    architecture = {**bundle.manifest.architecture, "num_classes": 11}
    found = "[(32, 16, 16, 3), " + "(24, 16), (16, 24), (64, 32), (32, 64), " * 2
    with pytest.raises(ModelError) as raised:
        find_layers(bundle.model_path("float32").read_bytes(), architecture)
    assert str(raised.value) == (
        f"the file's layers have kernels {found}(10, 32)], the architecture {found}(11, 32)]; export it again"
    )


@pytest.mark.parametrize("kept", [[], [0], [3, 9], range(10)])
def test_exactly_the_layers_that_are_kept_have_float_kernels(tiny_bundle: Path, kept: list[int]) -> None:
    """No layer, the stem, a dense one and the head, all: every other kernel is int8."""
    bundle = Bundle.open(tiny_bundle)
    float_model = bundle.model_path("float32").read_bytes()
    layers = find_layers(float_model, bundle.manifest.architecture)
    ranges = CalibrationRecord.read(bundle).ranges
    model = quantize_model(float_model, VARIANTS["int8"], ranges, [layers[index] for index in kept])
    assert kernel_dtypes(model) == ["float32" if index in kept else "int8" for index in range(10)]
