"""Layers by the Mixer's names, and keeping single ones in float."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixer_edge.bundle import Bundle
from mixer_edge.errors import ModelError
from mixer_edge_export.calibration import CalibrationRecord
from mixer_edge_export.quantize.apply import quantize_model
from mixer_edge_export.quantize.layers import find_layers, keep_float, quantized_layers
from mixer_edge_export.quantize.variants import STATIC, VARIANTS, Rule, Variant
from mixer_edge_export.tflite.graph import Graph

NAMES = [
    "stem",
    "MixerBlock_0/token_mixing/Dense_0",
    "MixerBlock_0/token_mixing/Dense_1",
    "MixerBlock_0/channel_mixing/Dense_0",
    "MixerBlock_0/channel_mixing/Dense_1",
    "MixerBlock_1/token_mixing/Dense_0",
    "MixerBlock_1/token_mixing/Dense_1",
    "MixerBlock_1/channel_mixing/Dense_0",
    "MixerBlock_1/channel_mixing/Dense_1",
    "head",
]
ALL_INT8 = Variant(name="all", purpose="", recipe="", bytes_per_weight=1, max_error=1.0, rules=(STATIC,))


def dtypes(model: bytes, *names: str) -> list[str]:
    """Return the dtype of the second input (the kernel) of each operator of these kinds, in the order of the file."""
    return [op.inputs[1].dtype for op in Graph.read(model).operators if op.name in names]


def test_layers_have_the_published_names_in_the_order_of_the_network(tiny_bundle: Path) -> None:
    """Two blocks are a stem, four dense layers each and a head, with the sizes of their kernels and what moves data."""
    bundle = Bundle.open(tiny_bundle)
    layers = find_layers(bundle.model_path("float32").read_bytes(), bundle.manifest.architecture)
    assert [layer.name for layer in layers] == NAMES
    block = [16 * 24, 24 * 16, 32 * 64, 64 * 32]
    assert [layer.kernel_size for layer in layers] == [16 * 16 * 3 * 32, *block, *block, 32 * 10]
    token = [["FULLY_CONNECTED", "TRANSPOSE"]] * 2
    block_operators = [*token, ["FULLY_CONNECTED"], ["FULLY_CONNECTED"]]
    assert [[operator for operator, _ in layer.operators] for layer in layers] == [
        ["CONV_2D", "RESHAPE", "RESHAPE"],
        *block_operators,
        *block_operators,
        ["FULLY_CONNECTED"],
    ]


def test_a_file_of_another_architecture_is_refused(tiny_bundle: Path) -> None:
    """A head of eleven classes does not match the file, and the message has both lists."""
    bundle = Bundle.open(tiny_bundle)
    architecture = {**bundle.manifest.architecture, "num_classes": 11}
    found = "[(32, 16, 1, 48), " + "(24, 16), (16, 24), (64, 32), (32, 64), " * 2
    with pytest.raises(ModelError) as raised:
        find_layers(bundle.model_path("float32").read_bytes(), architecture)
    assert str(raised.value) == (
        f"the file's layers have kernels {found}(10, 32)], but the architecture {found}(11, 32)]; export it again"
    )


def test_another_network_has_no_layers_by_name(tiny_bundle: Path) -> None:
    """An architecture that is not a Mixer's is refused before anything is compared."""
    bundle = Bundle.open(tiny_bundle)
    with pytest.raises(ModelError) as raised:
        find_layers(bundle.model_path("float32").read_bytes(), {"num_classes": 10})
    assert str(raised.value) == "this network is not a Mixer; sensitivity and max_drop need the layer names of a Mixer"


@pytest.mark.parametrize("kept", [[], [0], [1, 4], [3, 9], range(10)])
def test_exactly_the_layers_that_are_kept_have_float_kernels(tiny_bundle: Path, kept: list[int]) -> None:
    """No layer, the stem, dense ones, the head, all: every other kernel is int8."""
    bundle = Bundle.open(tiny_bundle)
    float_model = bundle.model_path("float32").read_bytes()
    layers = find_layers(float_model, bundle.manifest.architecture)
    variant = keep_float(ALL_INT8, [layers[index] for index in kept])
    model = quantize_model(float_model, variant, dict(CalibrationRecord.read(bundle).ranges))
    expected = ["float32" if index in kept else "int8" for index in range(10)]
    assert dtypes(model, "CONV_2D", "FULLY_CONNECTED") == expected
    assert [layer.name for layer in quantized_layers(variant, layers)] == [
        name for index, name in enumerate(NAMES) if index not in kept
    ]


def test_a_layer_that_the_recipe_leaves_in_float_is_not_quantized(tiny_bundle: Path) -> None:
    """The last matching rule decides: int8's rule for the head is float; rules for other operators do not match."""
    bundle = Bundle.open(tiny_bundle)
    layers = find_layers(bundle.model_path("float32").read_bytes(), bundle.manifest.architecture)
    assert [layer.name for layer in quantized_layers(VARIANTS["int8"], layers)] == NAMES[:-1]
    dense = Rule(operators=("FULLY_CONNECTED",), method="none")
    assert [layer.name for layer in quantized_layers(keep_float(ALL_INT8, []), layers)] == NAMES
    only_stem = Variant(name="stem", purpose="", recipe="", bytes_per_weight=1, max_error=1.0, rules=(STATIC, dense))
    assert [layer.name for layer in quantized_layers(only_stem, layers)] == ["stem"]
