"""The layers kept in float: the search by hand, and the whole export with a bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import TINY

from mixer_edge.bundle import Bundle
from mixer_edge.errors import BoundError
from mixer_edge_export.calibration import Calibration
from mixer_edge_export.cli import main
from mixer_edge_export.comparison import compare, format_report
from mixer_edge_export.network.mixer import MixerWeights
from mixer_edge_export.pipeline import export
from mixer_edge_export.quantize.layers import Layer
from mixer_edge_export.quantize.mixed_precision import Bound, search
from mixer_edge_export.sources.npz import save_npz


def layers(sizes: Sequence[int], uses: Sequence[int] = (1,) * 12) -> list[Layer]:
    """Return layers a, b, c ... with kernels of these sizes, of which each weight is used so many times."""
    return [
        Layer(name=name, operators=(("FULLY_CONNECTED", name),), kernel_size=size, multiply_accumulates=size * times)
        for name, size, times in zip("abcdefghijkl", sizes, uses, strict=False)
    ]


class Drops:
    """The drop is the sum over the layers that are not in float; calls are recorded."""

    def __init__(self, points: dict[str, float]) -> None:
        self.points, self.calls = points, list[str]()

    def __call__(self, kept: Sequence[Layer]) -> float:
        names = {layer.name for layer in kept}
        self.calls.append("".join(sorted(names)))
        return sum(value for name, value in self.points.items() if name not in names)


def names(kept: Sequence[Layer]) -> str:
    """Return the layers' names in one string."""
    return "".join(layer.name for layer in kept)


def test_the_noisiest_layers_are_kept_and_no_more_than_needed() -> None:
    """Four of twelve equal layers may be in float; two of them are enough for a bound of 1."""
    noise = dict(zip(layers([1] * 12), [9, 1, 8, 1, 7, 1, 6, 1, 1, 1, 1, 1], strict=True))
    drop = Drops({"a": 2.0, "c": 1.0, "e": 0.5, "g": 0.25})
    assert names(search(noise, drop, 1.0)) == "ac"
    assert drop.calls == ["aceg", "ac", "a", "a", "c"]


def test_a_noisy_layer_that_costs_nothing_goes_back_to_int8() -> None:
    """Layer a is the noisiest, but no prediction depends on it: only c is kept."""
    noise = dict(zip(layers([1] * 12), [9, 1, 8, 1, 1, 1, 1, 1, 1, 1, 1, 1], strict=True))
    assert names(search(noise, Drops({"c": 1.0}), 0.0)) == "c"


def test_a_layer_that_costs_less_time_comes_first() -> None:
    """Either a or b would do. Layer b has less noise, but also half the multiply-accumulates."""
    noise = dict(zip(layers([1] * 6, [4, 2, 1, 1, 1, 1]), [9, 8, 0, 0, 0, 0], strict=True))
    drop = Drops({"a": 1.0, "b": 1.0})
    assert names(search(noise, drop, 1.0)) == "b"
    assert drop.calls == ["ab", "b"]


def test_a_large_layer_does_not_crowd_out_the_small_ones_that_count() -> None:
    """By noise per time or alone, a uses the whole limit of 4; by noise per weight b and c come first."""
    noise = dict(zip(layers([4, 1, 1, 6], [1, 8, 8, 1]), [9, 8, 7, 1], strict=True))
    drop = Drops({"a": 0.5, "b": 1.0, "c": 1.0})
    assert names(search(noise, drop, 0.5)) == "bc"
    assert drop.calls == ["a", "a", "bc", "b", "b", "c"]


def test_a_bound_that_cannot_be_met_is_an_error() -> None:
    """The most sensitive third of the weights is not enough: the message has the measured and the allowed drop."""
    noise = dict(zip(layers([1, 1, 1]), [3, 2, 1], strict=True))
    with pytest.raises(BoundError) as raised:
        search(noise, Drops({"a": 1.0, "b": 0.5, "c": 0.25}), 0.5)
    assert str(raised.value) == (
        "0.75 points are lost even with a third of the weights in float, 0.5 are allowed; raise --max-drop, or use "
        "float16, which is not larger then"
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a random model of 200 classes, whose predictions depend on small differences."""
    path = tmp_path_factory.mktemp("model") / "model.npz"
    save_npz(MixerWeights.random(replace(TINY, num_classes=200), seed=1), path)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 120 noise pictures in two class folders, ``3`` and ``7``."""
    folder = tmp_path_factory.mktemp("photos")
    for index in range(120):
        rng = np.random.default_rng(index)
        (folder / "37"[index % 2]).mkdir(exist_ok=True)
        picture = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        picture.save(folder / "37"[index % 2] / f"{index}.png")
    return folder


def export_bounded(model: Path, photos: Path, out: Path, max_drop: float) -> int:
    """Return the exit code of an export with a bound on pictures without labels."""
    arguments = ["--variants", "int8", "--selection", str(photos), "--max-drop", str(max_drop), "--overwrite"]
    return main(["export", "--model", str(model), "--out", str(out), *arguments])


def test_a_bound_is_met_recorded_and_reproducible(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bound below int8's own drop is kept with layers in float; a second export gives the same bytes."""
    assert export_bounded(model, photos, tmp_path / "free", 100) == 0
    free = Bundle.open(tmp_path / "free").manifest
    assert free.bound is not None
    assert free.bound.int8_drop == free.bound.drop > 0
    always = free.variant("int8").kept_float
    assert always == ("MixerBlock_0/token_mixing/Dense_1",)

    max_drop = free.bound.drop - 0.4  # half a picture less
    capsys.readouterr()
    for name in ("first", "second"):
        assert export_bounded(model, photos, tmp_path / name, max_drop) == 0
    printed = capsys.readouterr()
    manifest = Bundle.open(tmp_path / "first").manifest
    kept = manifest.variant("int8").kept_float
    assert manifest.bound is not None
    assert manifest.bound.drop <= max_drop < manifest.bound.int8_drop
    assert (manifest.bound.measure, manifest.bound.count) == ("agreement", 120)
    assert manifest.bound.int8_size_bytes == free.variant("int8").file.size_bytes
    assert manifest.bound.int8_size_bytes < manifest.variant("int8").file.size_bytes
    more = [layer for layer in kept if layer not in always]
    assert set(always) < set(kept)
    assert f"with {len(more)} more of 8 layers in float ({', '.join(more)}) instead of " in printed.err
    assert f"Note: int8 keeps {len(kept)} of its layers in float: {', '.join(kept)}." in printed.out.splitlines()
    for path in (tmp_path / "first").iterdir():
        assert (tmp_path / "second" / path.name).read_bytes() == path.read_bytes(), path.name


def test_nothing_is_written_when_the_bound_cannot_be_met(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With 200 classes no mixture keeps every prediction: exit code 3, one line, no bundle."""
    assert export_bounded(model, photos, tmp_path / "out", 0) == 3
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: int8 on 120 pictures, agreement: ")
    assert line.endswith(
        " points are lost even with a third of the weights in float, 0 are allowed; raise --max-drop, or use "
        "float16, which is not larger then"
    )
    assert not (tmp_path / "out").exists()


def test_labels_make_it_points_of_top_1(model: Path, photos: Path, tmp_path: Path) -> None:
    """Class folders and a label file: the bound is on top-1."""
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"{index}\n" for index in range(200)))
    manifest = export(
        str(model),
        tmp_path / "out",
        labels=labels,
        variants=["int8"],
        bound=Bound(max_drop=100, selection=photos),
    )
    assert manifest.bound is not None
    assert (manifest.bound.measure, manifest.bound.count) == ("top-1", 120)


def test_pictures_that_made_the_files_are_no_evaluation_set(model: Path, photos: Path, tmp_path: Path) -> None:
    """A report lists the evaluated pictures that were used for calibration or selection."""
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"{index}\n" for index in range(200)))
    export(
        str(model),
        tmp_path / "out",
        labels=labels,
        variants=["int8"],
        calibration=Calibration(pictures=photos / "3"),
        bound=Bound(max_drop=100, selection=photos / "7"),
    )
    comparison = compare(tmp_path / "out", photos)
    assert len(comparison.overlap) == 120
    assert comparison.overlap[:2] == ("3/0.png", "3/10.png")
    assert format_report(comparison).endswith(
        "120 of the pictures were also used to make the bundle (training, calibration or selection); remove them "
        "from the data: 3/0.png, 3/10.png, 3/100.png and 117 more."
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--max-drop", "1", "--variants", "float16"], "max_drop bounds int8; add it to the variants"),
        (["--selection", "x"], "x: a selection set is only for --max-drop; add --max-drop"),
    ],
)
def test_a_bound_without_its_variant_and_a_selection_without_a_bound_are_refused(
    model: Path, tmp_path: Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither is silently ignored."""
    assert main(["export", "--model", str(model), "--out", str(tmp_path / "out"), *flags]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"
