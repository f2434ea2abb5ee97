"""The SavedModel's graph judges the rebuilt graph, also if rounding makes the SavedModel's own outputs uncertain."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from tests.conftest import TINY
from tests.hub_exporter import noisy, write_saved_model

from mixer_edge.bundle import Bundle
from mixer_edge.errors import ModelError
from mixer_edge.preprocess import Preprocessing, normalize
from mixer_edge_export.acceptance.agreement import mean_difference
from mixer_edge_export.calibration import generated_calibration
from mixer_edge_export.cli import main
from mixer_edge_export.network import convert, mixer
from mixer_edge_export.network.mixer import MixerWeights
from mixer_edge_export.sources import load_source, saved_model
from mixer_edge_export.sources.rebuilt import judge_rebuilt
from mixer_edge_export.sources.saved_model import Signature, load_saved_model, load_signature

STEM_BIASES = {"ordinary": None, "noisy": 100, "very noisy": 400}
"""How much is added to the stem's bias; None leaves the network as it is."""


@dataclass(frozen=True, kw_only=True)
class Saved:
    """The trained digits as a SavedModel of the Hub's kind, loaded once."""

    folder: Path
    weights: MixerWeights
    signature: Signature
    images: NDArray[np.float32]

    def judge(self, weights: MixerWeights | None = None) -> Any:
        """Judge the graph rebuilt from these weights; the signature's variables get their values back first."""
        self.signature.assign(self.weights.arrays.__getitem__)
        return judge_rebuilt(self.signature, weights or self.weights, self.images, "digits")


@pytest.fixture(scope="module", params=STEM_BIASES)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """Each of the three networks in turn."""
    folder = tmp_path_factory.mktemp("saved") / "digits"
    weights, bias = load_source("digits").weights, STEM_BIASES[request.param]
    weights = weights if bias is None else noisy(weights, bias)
    write_saved_model(weights, folder)
    spec = Preprocessing().spec(weights.config.image_size)
    images = normalize(generated_calibration(spec).golden(2), spec)
    return Saved(folder=folder, weights=weights, signature=load_signature(folder), images=images)


def test_the_right_graph_agrees(saved: Saved, request: pytest.FixtureRequest) -> None:
    """Ordinary weights: the SavedModel judges. If rounding shows, it is measured and float64 judges."""
    name = request.node.callspec.params["saved"]
    judgement = saved.judge()
    assert judgement.structure_error < 1e-6
    if name == "ordinary":
        assert (judgement.judge, judgement.rounding) == ("saved_model", None)
        assert judgement.rebuilt_error < 3e-6
        return
    low, high = {"noisy": (1e-6, 1e-4), "very noisy": (1e-4, 1e-2)}[name]
    assert low < judgement.rounding < high
    assert judgement.rounding < judgement.rebuilt_error < 20 * judgement.rounding
    assert judgement.judge == "rebuilt graph"
    np.testing.assert_array_equal(judgement.reference, convert.reference_outputs(saved.weights, saved.images))


def altered(alter: Callable[[str, NDArray[np.float64]], NDArray[np.float64]]) -> Callable[..., Any]:
    """Return the network that reads every array through ``alter``."""

    def network(config: Any, arrays: Any, images: tf.Tensor) -> tf.Tensor:
        class Arrays:
            def __getitem__(self, key: str) -> NDArray[np.float64]:
                return alter(key, arrays[key])

        return mixer.mixer(config, Arrays(), images)

    return network


def transposed(key: str, array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the stem's kernel with height and width exchanged."""
    return array.transpose(1, 0, 2, 3) if key == "stem/kernel" else array


def dropped(key: str, array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return zeros for one bias."""
    return array * 0 if key == "MixerBlock_0/token_mixing/Dense_0/bias" else array


def swap_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exchange the variables of two blocks."""
    right = saved_model.variable_keys
    names = {"MixerBlock_2": "MixerBlock_3", "MixerBlock_3": "MixerBlock_2"}

    def wrong(count: int, source: str) -> list[str]:
        keys = [key.partition("/") for key in right(count, source)]
        return [names.get(block, block) + slash + rest for block, slash, rest in keys]

    monkeypatch.setattr(saved_model, "variable_keys", wrong)


gelu = tf.nn.gelu
"""The right one."""

FAULTS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], float]] = {
    "two blocks swapped": (swap_blocks, 0.1),
    "transposed kernel": (lambda patch: patch.setattr(convert, "mixer", altered(transposed)), 0.1),
    "dropped bias": (lambda patch: patch.setattr(convert, "mixer", altered(dropped)), 1e-2),
    "epsilon 2e-6": (lambda patch: patch.setattr(mixer, "LAYER_NORM_EPSILON", 2e-6), 1e-3),
    "the other GELU": (
        lambda patch: patch.setattr(tf.nn, "gelu", lambda x, approximate: gelu(x, approximate=not approximate)),
        1e-4,
    ),
}
"""Name -> what puts the fault into the rebuilt graph, and how far its outputs are off with test weights, at least."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_graph_is_refused(saved: Saved, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fault is refused, on ordinary weights and where rounding hides its effect."""
    put_in, least = FAULTS[fault]
    put_in(monkeypatch)
    weights = load_saved_model(saved.folder) if fault == "two blocks swapped" else saved.weights
    with pytest.raises(ModelError) as raised:
        saved.judge(weights)
    found = re.fullmatch(
        r"with test weights, the rebuilt graph differs from digits: off by (\S+) of the largest output, expected at "
        r"most 1e-05; output \d of picture \d is \S+ instead of \S+; nothing was written",
        str(raised.value),
    )
    assert found
    assert float(found[1]) > least


@pytest.mark.parametrize("saved", ["ordinary", "noisy"], indirect=True)
def test_wrong_values_are_refused(saved: Saved) -> None:
    """The graph is right, but a bias of the head was read as zero."""
    arrays = dict(saved.weights.arrays) | {"head/bias": np.zeros(10, np.float32)}
    with pytest.raises(ModelError) as raised:
        saved.judge(MixerWeights.from_arrays(arrays, "wrong"))
    assert re.fullmatch(
        r"digits differs from its rebuilt graph by 0\.00\d+ of the largest output \(mean of 16 draws; expected at most "
        r"0\.0001\), but not with test weights: its own float32 outputs are probably wrong by rounding; save the "
        "weights as .npz and export that; nothing was written",
        str(raised.value),
    )


def test_mean_difference_by_hand() -> None:
    """Four draws of two outputs: means 3 and 1 (rms √5), variances 4/3 and 0, so √((2/3) / 4) is the standard error."""
    draws = np.array([[[2, 1]], [[4, 1]], [[2, 1]], [[4, 1]]], np.float64)
    mean, error = mean_difference(draws)
    assert (mean, error) == (pytest.approx(5**0.5), pytest.approx((2 / 3 / 4) ** 0.5))


@pytest.mark.parametrize("saved", ["very noisy"], indirect=True)
def test_a_noisy_source_is_exported(saved: Saved, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its files agree with the network in float64 as closely as those of any other source, and the manifest says so."""
    out = tmp_path / "bundle"
    assert main(["export", "--model", str(saved.folder), "--variants", "float32,float16,int8", "--out", str(out)]) == 0
    source = Bundle.open(out).manifest.source
    assert (source.kind, source.judge) == ("saved_model", "rebuilt graph")
    assert source.rounding is not None
    assert 1e-4 < source.rounding < 1e-2
    assert capsys.readouterr().err.splitlines()[0] == (
        f"digits: its outputs are uncertain by {source.rounding:.2g} of the largest (float32)"
    )
    errors = {it.name: it.runtimes["ai-edge-litert"].max_error or 1.0 for it in Bundle.open(out).manifest.variants}
    assert errors["float32"] < 1e-4 < errors["int8"] < 0.1
    assert errors["float16"] < 2e-3


def test_other_names_and_a_batch_of_one(tmp_path: Path) -> None:
    """The list of variables may have any name, the signature any name or a second one beside it, the batch may be 1."""
    weights = MixerWeights.random(TINY, seed=5)
    images = np.random.default_rng(0).uniform(-1, 1, (2, *TINY.input_shape[1:])).astype(np.float32)
    for name, options in {
        "list": {"owner": "params"},
        "signature": {"signatures": ("predict",)},
        "two": {"signatures": ("logits", "serving_default")},
        "one": {"batch": 1},
    }.items():
        write_saved_model(weights, tmp_path / name, **options)
        source = load_source(str(tmp_path / name))
        for key, array in weights.arrays.items():
            np.testing.assert_array_equal(source.weights.arrays[key], array, err_msg=key)
        judgement = source.judgement(images)
        assert judgement.judge == "saved_model", name
        assert (judgement.rebuilt_error < 5e-6, judgement.structure_error < 5e-6) == (True, True), name
