"""The entry that allows half precision, and the scale of the residual stream that makes room for it."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from mixer_edge.bundle import Bundle
from mixer_edge.errors import ModelError
from mixer_edge.interpreter import Interpreter
from mixer_edge_export.network.convert import convert_float
from mixer_edge_export.network.mixer import MixerWeights
from mixer_edge_export.pipeline import export
from mixer_edge_export.quantize.activation_ranges import observe
from mixer_edge_export.quantize.half_precision import Spread, allow, scale_stream, spread
from mixer_edge_export.quantize.variants import VARIANTS
from mixer_edge_export.sources import load_source
from mixer_edge_export.sources.npz import save_npz
from mixer_edge_export.tflite.graph import Graph

HALF = {"float16", "int8", "int8-dynamic"}


def scaled(weights: MixerWeights, factor: float, last: float = 1.0) -> MixerWeights:
    """Return weights with a residual stream ``factor`` times as large, and ``last`` times more after the last block."""
    arrays = dict(weights.arrays)
    for key in arrays:
        if key.startswith("stem/") or "/Dense_1/" in key:
            arrays[key] = arrays[key] * np.float32(factor)
    for leaf in ("kernel", "bias"):
        key = f"MixerBlock_{weights.config.num_blocks - 1}/channel_mixing/Dense_1/{leaf}"
        arrays[key] = arrays[key] * np.float32(last)
    return MixerWeights.from_arrays(arrays, "scaled")


def outputs(model: bytes, path: Path, images: np.ndarray) -> np.ndarray:
    """Return the outputs of a float file."""
    path.write_bytes(model)
    interpreter = Interpreter(path, backend="ai-edge-litert")
    return np.stack([interpreter.invoke(image[np.newaxis])[0] for image in images])


def pictures(weights: MixerWeights) -> np.ndarray:
    """Return two pictures of noise."""
    return np.random.default_rng(0).uniform(-1, 1, (2, *weights.config.input_shape[1:])).astype(np.float32)


def test_the_entry_is_in_the_files_with_float_layers_and_in_no_other(tiny_bundle: Path) -> None:
    """XNNPACK wants exactly these eleven bytes; the reference and the integer files have no use for them."""
    manifest = Bundle.open(tiny_bundle).manifest
    assert {variant.name for variant in manifest.variants if variant.half_precision} == HALF
    assert {name for name in VARIANTS if VARIANTS[name].half} == HALF
    found = {
        variant.name: Graph.read((tiny_bundle / variant.file.name).read_bytes()).metadata.get(
            "reduced_precision_support"
        )
        for variant in manifest.variants
    }
    assert found == {name: b"fp16accfp16" if name in HALF else None for name in VARIANTS}
    assert (manifest.variant("float16").tolerance, manifest.variant("float32").tolerance) == (0.02, 0.001)


def test_a_float_file_that_knows_nothing_of_half_precision_cannot_be_allowed() -> None:
    """The entry is renamed in place, so it must be there."""
    with pytest.raises(
        ModelError, match="^quantization dropped the metadata of the float32 file; expected it unchanged$"
    ):
        allow(convert_float(load_source("digits").weights))


@pytest.mark.parametrize(
    ("found", "fits", "factor"),
    [
        (Spread(largest=16376, square=16376, variance=1e-3), True, 1),
        (Spread(largest=16377, square=16377, variance=1.0), False, 2**-1),
        (Spread(largest=2.0**24, square=2.0**24, variance=64.0), False, 2**-6),
        (Spread(largest=1.0, square=1.0, variance=1e-4), False, 2**6),
        (Spread(largest=20000, square=0, variance=np.inf), False, 1),
    ],
)
def test_the_factor_by_hand(found: Spread, fits: bool, factor: float) -> None:
    """The largest square times the factor's square is at most 65504 / 4, and more than a quarter of that."""
    assert (found.fits, found.factor) == (fits, factor)


def test_a_scaled_stream_gives_the_same_outputs_bit_for_bit(tmp_path: Path) -> None:
    """A power of two changes exponents alone, and epsilon is scaled with the variance."""
    weights = load_source("digits").weights
    model, images = convert_float(weights), pictures(weights)
    smaller = scale_stream(model, load_source("digits").architecture, 2**-4)
    np.testing.assert_array_equal(
        outputs(smaller, tmp_path / "smaller.tflite", images), outputs(model, tmp_path / "model.tflite", images)
    )
    tensors = [[image[np.newaxis]] for image in images]
    before, after = (
        spread(content, observe(content, [tensor[0] for tensor in tensors], 2)) for content in (model, smaller)
    )
    assert (after.square, after.variance) == (before.square / 256, before.variance / 256)


def test_a_network_that_would_overflow_is_scaled(tmp_path: Path) -> None:
    """A stream 64 times as large has squares above 65504; it is scaled back, and the files give the same outputs."""
    weights = load_source("digits").weights
    for name, factor in (("large", 64), ("plain", 1)):
        save_npz(scaled(weights, factor), tmp_path / f"{name}.npz")
        export(str(tmp_path / f"{name}.npz"), tmp_path / name, variants=["float16"])
    large, plain = (Bundle.open(tmp_path / name) for name in ("large", "plain"))
    assert large.manifest.variant("float16").half_precision
    content = large.model_path("float32").read_bytes()
    images = list(pictures(weights)[:, np.newaxis])
    assert spread(content, observe(content, images, 2)).largest < 65504
    unscaled = convert_float(scaled(weights, 64))
    assert spread(unscaled, observe(unscaled, images, 2)).largest > 65504
    # only epsilon differs: 1e-6 is 4096 times smaller relative to a variance that is 4096 times as large
    np.testing.assert_allclose(large.golden()["float16"], plain.golden()["float16"], rtol=0, atol=2e-4)


def test_a_network_with_too_wide_a_spread_stays_in_float32(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its first variances are small and its last squares large: no file has the entry, and the log says why."""
    caplog.set_level(logging.WARNING, "mixer_edge_export.pipeline")
    save_npz(scaled(load_source("digits").weights, 2**-6, last=2**18), tmp_path / "wide.npz")
    manifest = export(str(tmp_path / "wide.npz"), tmp_path / "wide", variants=["float16", "int8"])
    assert [variant.half_precision for variant in manifest.variants] == [False] * 3
    for variant in manifest.variants:
        metadata = Graph.read((tmp_path / "wide" / variant.file.name).read_bytes()).metadata
        assert "reduced_precision_support" not in metadata
    assert manifest.variant("float16").tolerance == 0.001
    (message,) = [it.getMessage() for it in caplog.records if it.name == "mixer_edge_export.pipeline"]
    assert message.startswith("half precision is not used: on the calibration pictures activations reach ")
    assert message.endswith("; float16 needs at most 1.64e+04 and at least 0.001")
