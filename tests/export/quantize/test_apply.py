"""The files of the variants: their tensors and inputs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import TINY

from mixer_edge.bundle import Bundle
from mixer_edge.classifier import Classifier
from mixer_edge.errors import ModelError
from mixer_edge.manifest import TensorSpec
from mixer_edge.preprocess import normalize
from mixer_edge.tensors import dequantize, quantize
from mixer_edge_export.network.convert import convert_float, reference_outputs
from mixer_edge_export.network.mixer import MixerConfig, MixerWeights
from mixer_edge_export.quantize.apply import LOSSLESS_OFFSET, quantize_model, shift_input
from mixer_edge_export.quantize.variants import LAYERS, MOVE_OPERATORS, STATIC, VARIANTS
from mixer_edge_export.tflite.graph import Graph, Tensor
from mixer_edge_export.tflite.inspect import inspect_file

CONFIG = MixerConfig(
    image_size=32, patch_size=8, num_blocks=1, hidden_dim=12, tokens_mlp_dim=6, channels_mlp_dim=20, num_classes=5
)


@pytest.mark.parametrize("variant", ["int8", "int8-integer", "int16-integer"])
def test_the_table_of_a_lossless_input_is_pixel_minus_128(tiny_bundle: Path, variant: str) -> None:
    """All 256 pixel values reach the file exactly, by the runtime's own table."""
    classifier = Classifier.load(tiny_bundle, variant)
    spec = classifier.bundle.manifest.variant(variant)
    assert (spec.input.dtype, spec.input.zero_point, spec.offset) == ("int8", 0, LOSSLESS_OFFSET)
    assert spec.input.scale == pytest.approx(1 / 127.5, rel=1e-7)
    side = classifier.bundle.manifest.preprocess.height
    pixels = np.resize(np.arange(256, dtype=np.uint8), (side, side, 3))
    np.testing.assert_array_equal(classifier.tensor_of_pixels(pixels)[0], pixels.astype(np.int16) - 128)


def test_without_the_offset_pixels_fall_between_two_steps(tiny_bundle: Path) -> None:
    """The range [-1, 1] in 256 steps rounds some adjacent pixels to one step; the lossless input avoids this."""
    spec = TensorSpec(name="x", dtype="int8", shape=(256,), scale=1 / 127.5, zero_point=0)
    preprocess = Bundle.open(tiny_bundle).manifest.preprocess
    steps = quantize(normalize(np.arange(256, dtype=np.uint8), preprocess), spec)
    assert len(set(steps.tolist())) < 256


def test_the_half_step_folds_into_the_stem(tmp_path: Path) -> None:
    """A shifted file gives the same outputs for an input smaller by half a step, within float32's rounding."""
    from mixer_edge.interpreter import Interpreter

    weights = MixerWeights.random(CONFIG, seed=5)
    images = np.random.default_rng(0).uniform(-1, 1, (3, *CONFIG.input_shape[1:])).astype(np.float32)
    (tmp_path / "shifted.tflite").write_bytes(shift_input(convert_float(weights)))
    interpreter = Interpreter(tmp_path / "shifted.tflite", backend="ai-edge-litert")
    shifted = [interpreter.invoke((image - np.float32(0.5 / 127.5))[np.newaxis])[0] for image in images]
    reference = reference_outputs(weights, images)
    np.testing.assert_allclose(shifted, reference, rtol=0, atol=5e-6 * np.abs(reference).max())


def outputs(graph: Graph) -> dict[str, set[str]]:
    """Return the output dtypes of each kind of operator."""
    found: dict[str, set[str]] = {}
    for op in graph.operators:
        found.setdefault(op.name, set()).add(op.outputs[0].dtype)
    return found


def kernels(graph: Graph) -> list[Tensor]:
    """Return the kernels in the order of the network."""
    return [op.inputs[1] for op in graph.operators if op.name in LAYERS]


@pytest.mark.parametrize("variant", ["int8-integer", "int16-integer"])
def test_an_integer_file_holds_no_float(tiny_bundle: Path, variant: str) -> None:
    """No tensor is float, and input and output are int8."""
    facts = inspect_file(tiny_bundle / f"{variant}.tflite")
    assert (facts.float_tensors, facts.float_operators) == (0, {})
    assert (facts.input.dtype, facts.output.dtype) == ("int8", "int8")


def test_int16_integer_has_int16_around_its_layers(tiny_bundle: Path) -> None:
    """LayerNorm and the residual stream are int16, except scale and bias before token mixing; layers are int8."""
    graph = Graph.read((tiny_bundle / "int16-integer.tflite").read_bytes())
    dtypes = outputs(graph)
    assert [dtypes[name] for name in (*LAYERS, *MOVE_OPERATORS, "GELU")] == [{"int8"}] * 5
    assert [dtypes[name] for name in ("MEAN", "RSQRT", "SUB")] == [{"int16"}] * 3
    narrow = [
        op.outputs[0].name for op in graph.operators if op.name in ("MUL", "ADD") and op.outputs[0].dtype == "int8"
    ]
    assert narrow == [f"MixerBlock_{block}/LayerNorm_0/{name}" for block in (0, 1) for name in ("mul_2", "add_1")]
    assert dtypes["MUL"] == dtypes["ADD"] == {"int8", "int16"}


def test_int8_is_integer_in_its_layers_and_float_around_them(tiny_bundle: Path) -> None:
    """Convolution and dense layers but the noisiest and the head are int8, in one partition; the logits are float."""
    facts = inspect_file(tiny_bundle / "int8.tflite")
    assert facts.fully_delegated
    assert (facts.input.dtype, facts.output.dtype) == ("int8", "float32")
    graph = Graph.read((tiny_bundle / "int8.tflite").read_bytes())
    assert Bundle.open(tiny_bundle).manifest.variant("int8").kept_float == ("MixerBlock_0/token_mixing/Dense_1",)
    expected = ["int8", "int8", "float32", *["int8"] * 6, "float32"]
    assert [kernel.dtype for kernel in kernels(graph)] == expected
    assert [op.outputs[0].dtype for op in graph.operators if op.name in LAYERS] == expected
    dtypes = outputs(graph)
    assert {name for name in dtypes if "int8" in dtypes[name]} == {*LAYERS, *MOVE_OPERATORS, "QUANTIZE"}


def test_int8_dynamic_takes_and_gives_floats(tiny_bundle: Path) -> None:
    """Its weights are int8, and all activations are float."""
    facts = inspect_file(tiny_bundle / "int8-dynamic.tflite")
    assert (facts.input.dtype, facts.output.dtype) == ("float32", "float32")
    graph = Graph.read((tiny_bundle / "int8-dynamic.tflite").read_bytes())
    assert [kernel.dtype for kernel in kernels(graph)] == ["int8"] * 10
    assert {dtype for dtypes in outputs(graph).values() for dtype in dtypes} == {"float32"}


def test_float16_keeps_the_weights_rounded(tiny_bundle: Path) -> None:
    """Each kernel is float32's to the nearest float16, and made float32 again before it is used."""
    exact = Graph.read((tiny_bundle / "float32.tflite").read_bytes())
    graph = Graph.read((tiny_bundle / "float16.tflite").read_bytes())
    stored = {op.outputs[0]: op.inputs[0] for op in graph.operators if op.name == "DEQUANTIZE"}
    assert len(kernels(exact)) == 10
    for kernel, expected in zip(kernels(graph), kernels(exact), strict=True):
        assert (kernel.dtype, stored[kernel].dtype) == ("float32", "float16")
        np.testing.assert_array_equal(stored[kernel].values, expected.values.astype(np.float16))


def test_every_variant_is_close_to_the_network(tiny_bundle: Path) -> None:
    """The golden outputs of each file are within its bound of TensorFlow's, float32's within a twentieth of its bound.

    The manifest states the same distances.
    """
    bundle = Bundle.open(tiny_bundle)
    manifest = bundle.manifest
    golden = np.load(tiny_bundle / "golden.npz")
    weights = MixerWeights.random(TINY, seed=0)
    reference = reference_outputs(weights, normalize(golden["images"], manifest.preprocess))
    errors = {
        variant.name: np.abs(dequantize(golden[variant.name], variant.output) - reference).max()
        / np.abs(reference).max()
        for variant in manifest.variants
    }
    assert list(errors) == list(VARIANTS)
    assert [name for name, error in errors.items() if not error <= VARIANTS[name].max_error] == []
    assert errors["float32"] <= VARIANTS["float32"].max_error / 20
    stated = {variant.name: variant.runtimes["ai-edge-litert"].max_error for variant in manifest.variants}
    assert stated == pytest.approx(errors, abs=1e-6)


def test_a_rule_of_an_unknown_method_is_an_error() -> None:
    """It does not mean that the operators stay unchanged."""
    rule = replace(STATIC, method="int4")  # type: ignore[arg-type]
    variant = replace(VARIANTS["int8"], rules=(rule,))
    with pytest.raises(ModelError) as raised:
        quantize_model(convert_float(MixerWeights.random(CONFIG, seed=5)), variant, {})
    assert str(raised.value) == (
        "a rule for CONV_2D has the method 'int4'; expected one of static, dynamic, float16, none"
    )
