"""The estimated noise of each layer, and the layers that int8 keeps in float for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from mixer_edge.preprocess import Preprocessing
from mixer_edge_export.calibration import generated_calibration
from mixer_edge_export.network.convert import convert_float
from mixer_edge_export.quantize.activation_ranges import Observed, Ranges, observe, tune
from mixer_edge_export.quantize.apply import quantize_model
from mixer_edge_export.quantize.layers import Layer, find_layers, keep_float
from mixer_edge_export.quantize.noise import layer_noise, noisiest_layers
from mixer_edge_export.quantize.selection import SelectionSet, snr_db
from mixer_edge_export.quantize.variants import VARIANTS
from mixer_edge_export.sources import load_source
from mixer_edge_export.tflite.graph import Graph

INT8 = VARIANTS["int8"]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The trained digits, observed on generated pictures."""

    model: bytes
    layers: tuple[Layer, ...]
    observed: dict[str, Observed]
    ranges: Ranges
    pictures: SelectionSet

    def snr(self, kept: list[Layer]) -> float:
        """Return the signal to noise, in dB, of int8 with these layers in float."""
        outputs = self.pictures.with_input_of(INT8).outputs(
            quantize_model(self.model, keep_float(INT8, kept), self.ranges)
        )
        found = snr_db(outputs, self.pictures.outputs(self.model))
        assert found is not None
        return found


@pytest.fixture(scope="module")
def measured() -> Measured:
    """The file and what is known of it, measured once."""
    source = load_source("digits")
    spec = Preprocessing().spec(*source.input_size)
    calibration = generated_calibration(spec)
    model = convert_float(source.weights)
    observed = observe(model, calibration.representative_dataset(spec), len(calibration.pixels))
    return Measured(
        model=model,
        layers=find_layers(model, source.architecture),
        observed=observed,
        ranges=tune(observed),
        pictures=SelectionSet(pixels=calibration.pixels, truth=None, spec=spec).head(16),
    )


def test_the_noise_by_hand(measured: Measured) -> None:
    """The stem's output alone; the input, through the weights, and the output of a second dense layer."""
    noise = layer_noise(measured.model, measured.layers, measured.observed, measured.ranges)
    assert [layer.name for layer in noise] == [layer.name for layer in measured.layers[:-1]]
    operators = {op.outputs[0].name: op for op in Graph.read(measured.model).operators}
    variances = [
        measured.observed[op.inputs[0].name].mean
        for op in operators.values()
        if op.name == "ADD" and op.inputs[1].shape == () and op.inputs[1].buffer is not None
    ]
    assert len(variances) == 9

    def step(name: str) -> float:
        low, high = measured.ranges[name]
        return ((max(high, 0) - min(low, 0)) / 255) ** 2 / 12

    stem = operators[measured.layers[0].operators[0][1]]
    assert noise[measured.layers[0]] == pytest.approx(step(stem.outputs[0].name) / variances[0])
    layer = measured.layers[8]
    assert layer.name == "MixerBlock_1/channel_mixing/Dense_1"
    op = operators[layer.operators[0][1]]
    gain = np.square(op.inputs[1].values.astype(np.float64)).sum() / 128
    expected = (step(op.inputs[0].name) * gain + step(op.outputs[0].name)) / variances[4]
    assert noise[layer] == pytest.approx(expected, rel=1e-5)


def test_the_estimates_are_near_the_measured_noise(measured: Measured) -> None:
    """With one layer at a time in int8: the order by estimate is that by measurement, but for a few places."""
    noise = layer_noise(measured.model, measured.layers, measured.observed, measured.ranges)
    quantized = measured.layers[:-1]
    found = np.array([measured.snr([other for other in quantized if other != layer]) for layer in quantized])
    ranks = [np.argsort(np.argsort(values)) for values in (-found, [noise[layer] for layer in quantized])]
    assert np.corrcoef(*ranks)[0, 1] > 0.65  # 1 for the same order, 0 for another one


def test_the_noisiest_small_layers_stay_in_float(measured: Measured) -> None:
    """They take at most 3 % of the operations, no other layer would fit, and the file is closer to float32."""
    kept = noisiest_layers(measured.model, measured.layers, measured.observed, measured.ranges)
    counts = {"stem": 49 * 3072 * 128, "head": 128 * 10}
    for layer in measured.layers:
        if "token" in layer.name:
            counts[layer.name] = 128 * 49 * 64
        elif "channel" in layer.name:
            counts[layer.name] = 49 * 128 * 512
    used, budget = sum(counts[layer.name] for layer in kept), 0.03 * sum(counts.values())
    assert used <= budget < used + 128 * 49 * 64
    assert {layer.name.split("/")[1] for layer in kept} == {"token_mixing"}
    assert measured.snr(list(kept)) > measured.snr([]) + 0.5
