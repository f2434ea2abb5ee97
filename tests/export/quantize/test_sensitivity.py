"""The sensitivity of each layer: table, JSON and plot of a small bundle."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from tests.conftest import TINY

from mixer_edge import strict_json
from mixer_edge.classifier import Classifier
from mixer_edge_export.cli import main
from mixer_edge_export.network.mixer import MixerWeights
from mixer_edge_export.quantize.sensitivity import (
    Fidelity,
    LayerSensitivity,
    Sensitivity,
    format_sensitivity,
    sensitivity,
)
from mixer_edge_export.report.sensitivity_plot import plot
from mixer_edge_export.sources.npz import save_npz

KERNELS = (16 * 24, 24 * 16, 32 * 64, 64 * 32)
"""Sizes of the four kernels in a block of the tiny bundle: 16 tokens, 32 channels."""
RESULT = Sensitivity(
    model="small",
    image_count=200,
    float32_correct=150,
    int8=Fidelity(snr_db=20.0, kl_divergence=0.5, changed=7, correct=147),
    layers=(
        LayerSensitivity(
            name="stem",
            kernel_size=12288,
            alone=Fidelity(snr_db=20.0, kl_divergence=0.5, changed=6, correct=148),
            kept=Fidelity(snr_db=30.0, kl_divergence=0.5, changed=1, correct=149),
        ),
        LayerSensitivity(
            name="head",
            kernel_size=320,
            alone=Fidelity(snr_db=30.0, kl_divergence=0.5, changed=1, correct=149),
            kept=Fidelity(snr_db=20.5, kl_divergence=0.5, changed=6, correct=147),
        ),
        LayerSensitivity(
            name="x<y",
            kernel_size=1,
            alone=Fidelity(snr_db=None, kl_divergence=0.5, changed=0, correct=150),
            kept=Fidelity(snr_db=20.0, kl_divergence=0.5, changed=7, correct=147),
        ),
    ),
)


def test_the_table() -> None:
    """Every layer with its two files, then int8, then the meaning of the columns."""
    assert format_sensitivity(RESULT).splitlines() == [
        "layer            weights  alone SNR  alone changed  alone top-1  kept SNR  kept changed  kept top-1",
        "stem             12,288   20.0 dB    6              74.00%       30.0 dB   1             74.50%",
        "head             320      30.0 dB    1              74.50%       20.5 dB   6             73.50%",
        "x<y              1        exact      0              75.00%       20.0 dB   7             73.50%",
        "all layers int8  12,609   20.0 dB    7              73.50%",
        "200 pictures; alone: only this layer int8; kept: this layer float, the others int8; changed: predictions that "
        "differ from float32's.",
        "float32's top-1 is 75.00%.",
    ]


def test_the_plot() -> None:
    """Noise of 20 and 30 dB is 10 to 1 in power; the gains are the differences to int8; names are escaped."""
    root = ElementTree.fromstring(plot(RESULT))
    namespace = "{http://www.w3.org/2000/svg}"
    texts = [text.text for text in root.iter(f"{namespace}text")]
    assert texts[0] == "small: what each layer loses in int8 (200 pictures)"
    assert texts[3:] == ["stem", "90.9", "+10.00", "head", "9.1", "+0.50", "x<y", "0.0", "+0.00"]
    widths = [rect.get("width") for rect in root.iter(f"{namespace}rect")][1:]
    assert widths == ["260.0", "260.0", "26.0", "13.0", "0.0", "0.0"]


def test_a_bundle_is_measured_on_generated_pictures_without_any_given(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The noise of single layers adds up to int8's; keeping one in float brings something or costs less than 1 dB."""
    path = tmp_path / "plot.svg"
    assert main(["sensitivity", str(tiny_bundle), "--samples", "8", "--json", "--plot", str(path)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["image_count"], result["float32_correct"], len(result["layers"])) == (8, None, 9)
    mlps = [f"{mlp}_mixing/Dense_{number}" for mlp in ("token", "channel") for number in (0, 1)]
    assert [(layer["name"], layer["kernel_size"]) for layer in result["layers"]] == [
        ("stem", 16 * 16 * 3 * 32),
        *((f"MixerBlock_{block}/{mlp}", size) for block in (0, 1) for mlp, size in zip(mlps, KERNELS, strict=True)),
    ]
    noise = sum(10 ** (-layer["alone"]["snr_db"] / 10) for layer in result["layers"])
    assert -10 * np.log10(noise) == pytest.approx(result["int8"]["snr_db"], abs=2)
    gains = [layer["kept"]["snr_db"] - result["int8"]["snr_db"] for layer in result["layers"]]
    assert min(gains) > -1
    assert max(gains) > 0.25
    assert path.read_text("utf-8") == plot(strict_json.read(Sensitivity, json.dumps(result)))


def test_labelled_pictures_give_top_1(tiny_bundle: Path, tmp_path: Path) -> None:
    """Of four pictures three lie in the folder of what float32 says of them; a file that says the same has three."""
    rng = np.random.default_rng(0)
    with Classifier.load(tiny_bundle, "float32") as classifier:
        for number in range(4):
            pixels = rng.integers(0, 256, (64, 64, 3), np.uint8)
            label = classifier.classify(pixels, top_k=2)[number == 0].label
            (tmp_path / label).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / label / f"{number}.png")
    result = sensitivity(tiny_bundle, tmp_path)
    assert (result.image_count, result.float32_correct) == (4, 3)
    unchanged = [it for layer in result.layers for it in (layer.alone, layer.kept) if not it.changed]
    assert {fidelity.correct for fidelity in unchanged} == {3}


def test_a_bundle_without_ranges_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An export without a calibrated variant has nothing to measure layers with."""
    out, model = tmp_path / "out", tmp_path / "tiny.npz"
    save_npz(MixerWeights.random(TINY, seed=0), model)
    assert main(["export", "--model", str(model), "--variants", "float32", "--out", str(out)]) == 0
    capsys.readouterr()
    assert main(["sensitivity", str(out)]) == 2
    assert capsys.readouterr().err == (
        f"error: {out}: has no calibrated variant, so no activation ranges; export it with VARIANTS=int8\n"
    )


def test_a_plot_without_a_folder_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The measurement takes minutes, so the folder is checked first."""
    assert main(["sensitivity", str(tmp_path), "--plot", str(tmp_path / "none" / "plot.svg")]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path}/none: no such folder for the plot; create it or choose another\n"
    )
