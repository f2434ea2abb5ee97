"""Every file is compared with the source: if it differs, nothing is exported."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from tests.export.conftest import TWINS

from mixer_edge.bundle import Bundle
from mixer_edge.errors import ModelError
from mixer_edge.tensors import dequantize
from mixer_edge_export.acceptance.agreement import check_outputs, correlations, disagreement
from mixer_edge_export.cli import main
from mixer_edge_export.network.convert import convert_float
from mixer_edge_export.network.mixer import MixerWeights
from mixer_edge_export.quantize.variants import VARIANTS
from mixer_edge_export.sources import load_source, mixer, saved_model


def swapped(key: str) -> str:
    """Return the key with blocks 1 and 10 swapped."""
    first, _, rest = key.partition("/")
    return {"MixerBlock_1": "MixerBlock_10", "MixerBlock_10": "MixerBlock_1"}.get(first, first) + "/" + rest


def test_a_module_is_exported_and_judged_by_itself(twin: Path, twin_bundle: Path) -> None:
    """The manifest says that the SavedModel judged, and how far the rebuilt graph and each file are from it."""
    bundle = Bundle.open(twin_bundle)
    source = bundle.manifest.source
    assert (source.kind, source.location, source.judge) == ("saved_model", "mixer_12_blocks", "saved_model")
    assert 0 < source.rebuilt_error < 1e-5
    assert 0 < (source.structure_error or 0) < 2e-6
    assert source.rounding is None
    errors = {it.name: it.runtimes["ai-edge-litert"].max_error or 0.0 for it in bundle.manifest.variants}
    assert list(errors) == ["float32", "float16"]
    assert 0 < errors["float32"] < 1e-5 < errors["float16"] < 1e-3
    golden = bundle.golden()
    judge = load_source(str(twin)).network()
    np.testing.assert_array_equal(golden["reference"], judge(golden["images"] / np.float32(127.5) - np.float32(1)))


def refusal(model: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the last line of an export that fails with exit code 2 and writes nothing."""
    assert main(["export", "--model", str(model), "--variants", "float32", "--out", str(folder / "bundle")]) == 2
    assert list(folder.iterdir()) == []
    return capsys.readouterr().err.splitlines()[-1]


def drift(bound: str) -> str:
    """Return the pattern of how far outputs are off."""
    return (
        rf"off by 0\.\d+ of the largest output, expected at most {bound}; output \d of picture \d is \S+ instead of "
        r"\S+; nothing was written"
    )


def test_swapped_blocks_are_caught_in_the_rebuilt_graph(
    twin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Blocks 1 and 10 have equal shapes; if they are swapped the export fails, and nothing is written."""
    variable_keys = saved_model.variable_keys
    monkeypatch.setattr(
        saved_model, "variable_keys", lambda count, source: [swapped(key) for key in variable_keys(count, source)]
    )
    assert re.fullmatch(
        f"error: with test weights, the rebuilt graph differs from mixer_12_blocks: {drift('1e-05')}",
        refusal(twin, tmp_path, capsys),
    )


def test_swapped_blocks_are_caught_in_the_file(
    twin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A conversion that swaps blocks is detected in the first file."""

    def convert_wrongly(weights: MixerWeights) -> bytes:
        arrays = {swapped(key): array for key, array in weights.arrays.items()}
        return convert_float(MixerWeights.from_arrays(arrays, "swapped"))

    monkeypatch.setattr(mixer, "convert_float", convert_wrongly)
    message = refusal(twin, tmp_path, capsys)
    assert re.fullmatch(f"error: float32 differs from mixer_12_blocks: {drift('0.0001')}", message)


def test_bare_weights_say_that_the_rebuilt_graph_judged(tmp_path: Path) -> None:
    """A checkpoint has no graph, and the manifest says so."""
    model = TWINS / "mixer_12_blocks" / "weights.npz"
    assert main(["export", "--model", str(model), "--variants", "float32", "--out", str(tmp_path / "bundle")]) == 0
    source = json.loads((tmp_path / "bundle" / "manifest.json").read_text())["source"]
    assert (source["judge"], source["rebuilt_error"]) == ("rebuilt graph", 0.0)
    assert (source["structure_error"], source["rounding"]) == (None, None)


def test_a_feature_extractor_is_exported(twin_fe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The task is embedding, the output the features, and the table has sizes and latencies without an accuracy."""
    out = str(tmp_path / "bundle")
    assert main(["export", "--model", str(twin_fe), "--variants", "int8", "--out", out]) == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [cells[:1] + cells[5:8] for cells in table[1:3]] == [["float32", *"---"], ["int8", *"---"]]
    bundle = Bundle.open(tmp_path / "bundle")
    assert (bundle.manifest.task, bundle.manifest.architecture["num_classes"], bundle.labels) == ("embedding", None, ())
    assert [variant.output.shape for variant in bundle.manifest.variants] == [(1, 20)] * 2
    assert bundle.golden()["reference"].shape == (4, 20)
    assert main(["compare", out]) == 0
    assert [line.split()[:1] for line in capsys.readouterr().out.splitlines()[1:3]] == [["float32"], ["int8"]]


def test_the_message_says_where_it_drifted() -> None:
    """The message has the stage, judge, error, picture, output and both values."""
    reference = np.array([[1, 2, -4], [0, 3, 1]], np.float32)
    outputs = reference.copy()
    assert check_outputs("int8", outputs, reference, judge="mixer", max_error=0.1) == 0
    outputs[1, 0] = 0.5
    with pytest.raises(ModelError) as raised:
        check_outputs("int8", outputs, reference, judge="mixer", max_error=0.1)
    assert str(raised.value) == (
        "int8 differs from mixer: off by 0.12 of the largest output, expected at most 0.1; "
        "output 0 of picture 1 is 0.5 instead of 0; nothing was written"
    )
    outputs[1, 0] = np.nan
    with pytest.raises(ModelError) as raised:
        check_outputs("int8", outputs, reference, judge="mixer", max_error=0.1)
    assert str(raised.value) == (
        "int8 differs from mixer: off by inf of the largest output, expected at most 0.1; "
        "output 0 of picture 1 is nan instead of 0; nothing was written"
    )
    with pytest.raises(ModelError) as raised:
        check_outputs("int8", outputs[:, :2], reference, judge="mixer", max_error=0.1)
    assert str(raised.value) == "int8 has outputs [2, 2], but mixer has [2, 3]"


@pytest.mark.parametrize("name", VARIANTS)
def test_every_gate_fails_for_zeroed_shuffled_and_clipped_outputs(tiny_bundle: Path, name: str) -> None:
    """The variant's real outputs pass; zeros, the right numbers in the wrong order, and saturated outputs do not."""
    bundle = Bundle.open(tiny_bundle)
    golden, reference = bundle.golden(), bundle.golden()["reference"]
    outputs = dequantize(golden[name], bundle.manifest.variant(name).output)
    half = np.abs(reference).max() / 2
    bad = {"zeroed": outputs * 0, "shuffled": np.roll(outputs, 1, axis=1), "clipped": outputs.clip(-half, half)}
    max_error = VARIANTS[name].max_error
    assert disagreement(outputs, reference, max_error) is None
    assert {how: disagreement(array, reference, max_error) is None for how, array in bad.items()} == dict.fromkeys(
        bad, False
    )


def test_outputs_in_another_order_fail_though_a_shared_offset_hides_the_error() -> None:
    """All outputs are near 100, so the error is small; the order within each picture decides."""
    reference = np.array([[100, 101, 102, 103], [101, 100, 103, 102]], np.float32)
    assert disagreement(reference + np.float32(0.1), reference, 0.45) is None
    assert disagreement(reference[:, ::-1], reference, 0.45) == (
        "a picture's outputs correlate by -1, expected at least 0.5"
    )


def test_correlations_by_hand() -> None:
    """Scaled outputs give 1, reversed ones -1, equal ones 0; a constant reference gives 1."""
    reference = np.array([[1, 2, 3], [1, 2, 3], [1, 2, 3], [5, 5, 5]], np.float32)
    outputs = np.array([[2, 4, 6], [3, 2, 1], [7, 7, 7], [1, 2, 3]], np.float32)
    np.testing.assert_allclose(correlations(outputs, reference), [1, -1, 0, 1], atol=1e-12)
    np.testing.assert_array_equal(correlations(outputs[:, :1], reference[:, :1]), [1, 1, 1, 1])
