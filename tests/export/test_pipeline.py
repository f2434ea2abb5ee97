"""The export of a small Mixer, end to end."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import TINY

from mixer_edge import Classifier
from mixer_edge.bundle import Bundle
from mixer_edge.errors import DataError, MixerEdgeError, ModelError
from mixer_edge.preprocess import normalize
from mixer_edge_export.calibration import Calibration
from mixer_edge_export.cli import main
from mixer_edge_export.network.convert import check_size, reference_outputs
from mixer_edge_export.network.mixer import MixerWeights
from mixer_edge_export.pipeline import export
from mixer_edge_export.sources.npz import save_npz
from mixer_edge_export.tflite.inspect import inspect_file

CONFIG = replace(TINY, num_classes=5)
FILES = {"float32.tflite", "float16.tflite", "int8.tflite", "golden.npz", "labels.txt", "manifest.json"}


@pytest.fixture(scope="module")
def npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small model in the published key layout, with a label file in the same folder."""
    path = tmp_path_factory.mktemp("model") / "small.npz"
    save_npz(MixerWeights.random(CONFIG, seed=3), path)
    path.with_suffix(".txt").write_text("ant\nbee\ncat\ndog\nemu\n")
    return path


@pytest.fixture(scope="module")
def bundle(npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bundle of that model."""
    out = tmp_path_factory.mktemp("bundle") / "small"
    export(str(npz), out, labels=npz.with_suffix(".txt"))
    return out


def test_a_bundle_holds_every_variant_and_its_facts(bundle: Path) -> None:
    """The files are there, and the manifest says what the model, its source and its preprocessing are."""
    assert {path.name for path in bundle.iterdir()} >= FILES
    manifest = Bundle.open(bundle).manifest
    assert [variant.name for variant in manifest.variants][:2] == ["float32", "float16"]
    assert (manifest.name, manifest.task, manifest.source.kind) == ("small", "classification", "npz")
    assert manifest.source.fingerprint == MixerWeights.random(CONFIG, seed=3).fingerprint()
    assert dict(manifest.architecture) == {
        "image_size": 64,
        "patch_size": 16,
        "num_blocks": 2,
        "hidden_dim": 32,
        "tokens_mlp_dim": 24,
        "channels_mlp_dim": 64,
        "num_classes": 5,
    }
    assert manifest.preprocess.scale == 127.5
    assert manifest.preprocess.offset == -1.0


def test_the_float_file_computes_the_network_in_one_partition_of_builtin_ops(bundle: Path) -> None:
    """The file's golden outputs equal TensorFlow's, and XNNPACK runs the graph from input to output."""
    opened = Bundle.open(bundle)
    golden = opened.golden()
    images = normalize(golden["images"], opened.manifest.preprocess)
    reference = reference_outputs(MixerWeights.random(CONFIG, seed=3), images)
    np.testing.assert_array_equal(golden["reference"], reference)
    np.testing.assert_allclose(golden["float32"], reference, atol=1e-5)
    facts = inspect_file(bundle / "float32.tflite")
    assert facts.fully_delegated
    assert facts.operators["CONV_2D"] == 1
    assert facts.operators["FULLY_CONNECTED"] == 4 * CONFIG.num_blocks + 1
    assert facts.operators["GELU"] == 2 * CONFIG.num_blocks


def test_int8_is_one_partition_too(bundle: Path) -> None:
    """Integer layers between float ones stay in one XNNPACK partition."""
    assert inspect_file(bundle / "int8.tflite").fully_delegated


def test_the_same_inputs_give_the_same_bytes(npz: Path, bundle: Path, tmp_path: Path) -> None:
    """A second export writes equal files, manifest included."""
    again = tmp_path / "small"
    export(str(npz), again, labels=npz.with_suffix(".txt"))
    for path in bundle.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


def test_golden_outputs_come_back_through_the_classifier(bundle: Path) -> None:
    """The runtime computes the stored outputs bit for bit on the machine that wrote them."""
    golden = Bundle.open(bundle).golden()
    for variant in ("float32", "float16", "int8"):
        classifier = Classifier.load(bundle, variant)
        for pixels, output in zip(golden["images"], golden[variant], strict=True):
            np.testing.assert_array_equal(classifier.interpreter.invoke(classifier.tensor_of_pixels(pixels))[0], output)


def test_calibration_pictures_in_another_order_give_the_same_file(npz: Path, tmp_path: Path) -> None:
    """The ranges and the set's fingerprint do not depend on the order of the pictures."""
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (40, 50, 3), np.uint8) for _ in range(6)]
    files, prints = [], []
    for order in (range(6), reversed(range(6))):
        folder = tmp_path / str(len(files))
        folder.mkdir()
        for place, index in enumerate(order):
            Image.fromarray(pictures[index]).save(folder / f"{place}.png")
        manifest = export(
            str(npz), tmp_path / f"out{len(files)}", calibration=Calibration(pictures=folder), variants=["int8"]
        )
        files.append((tmp_path / f"out{len(files)}" / "int8.tflite").read_bytes())
        prints.append((manifest.calibration.kind, manifest.calibration.count, manifest.calibration.fingerprint))
    assert files[0] == files[1]
    assert prints[0] == prints[1]
    assert prints[0][:2] == ("folder", 6)


def test_random_weights_are_marked_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A random model's table has no accuracy and says why, and asking for one is an error."""
    out = tmp_path / "random"
    assert main(["export", "--model", "random:mixer_s32", "--variants", "float32", "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[1].split()[:7] == ["float32", "76.43", "MB", "float32", "float32", "-", "-"]
    assert captured.out.splitlines()[-1] == "Random weights: latency and size only."
    assert Bundle.open(out).manifest.source.weights == "random"
    assert main(["compare", str(out), "--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"error: {out}: has no accuracy to measure (random weights or no classes); omit the data\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--model", "mixer_x99"],
            "mixer_x99: no such model; expected",
        ),
        (["--variants", "int8,int3"], "unknown variant 'int3'; expected some of float32, float16, int8"),
        (["--calibration", "{tmp}/none"], "{tmp}/none: no such folder; expected a folder of pictures"),
        (["--calibration", "{tmp}/empty"], "{tmp}/empty: no pictures in it; expected files ending in "),
        (
            ["--calibration", "{tmp}/broken"],
            "{tmp}/broken/a.png: is not a JPEG, PNG, GIF, WebP, TIFF, BMP or PPM picture",
        ),
        (["--labels", "{tmp}/none.txt"], "{tmp}/none.txt: cannot be read as a label file"),
        (["--labels", "{tmp}/two.txt"], "{tmp}/two.txt: 2 lines for 5 classes; expected one label on each line"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    npz: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """Each wrong flag ends with exit code 2, one line that names the culprit, and no output folder."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_text("no picture")
    (tmp_path / "two.txt").write_text("a\nb\n")
    out = tmp_path / "out" / "bundle"
    flags = [argument.format(tmp=tmp_path) for argument in arguments]
    assert main(["export", "--model", str(npz), "--out", str(out), *flags]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message.format(tmp=tmp_path)}")
    assert error.count("\n") == 1
    assert not out.exists()


def test_a_file_without_its_weights_is_refused() -> None:
    """If a converter drops weights, the file is too small, which is an error."""
    check_size(95, 100, "float32")
    with pytest.raises(ModelError) as error:
        check_size(94, 100, "float32")
    assert str(error.value) == "float32: 94 bytes written for 100 bytes of weights; the converter lost some"


def test_the_table_as_json(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has counts, not percentages; a picture that cannot be read is listed, and the exit code is 1."""
    rng = np.random.default_rng(1)
    for label in ("ant", "bee"):
        (tmp_path / label).mkdir()
        for index in range(3):
            Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).save(tmp_path / label / f"{index}.png")
    (tmp_path / "bee" / "broken.png").write_bytes(b"")
    assert main(["compare", str(bundle), "--data", str(tmp_path), "--variants", "float32,int8", "--json"]) == 1
    captured = capsys.readouterr()
    table = json.loads(captured.out)
    assert table["pictures"] == 6
    assert [row["name"] for row in table["rows"]] == ["float32", "int8"]
    assert table["rows"][0]["score"]["changed"] == 0
    classifier = Classifier.load(bundle, "float32")
    truth = [(path, path.parent.name) for path in sorted(tmp_path.glob("*/[0-9].png"))]
    correct = sum(classifier.classify(path)[0].label == label for path, label in truth)
    assert table["rows"][0]["score"]["top1"]["correct"] == correct
    assert captured.err.startswith(f"error: {tmp_path}/bee/broken.png: ")


def test_pictures_outside_class_folders_are_refused(bundle: Path, tmp_path: Path) -> None:
    """A picture next to the class folders, and folders that are not classes, are reported."""
    from mixer_edge_export.comparison import compare

    folder = tmp_path / "zebra"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    with pytest.raises(DataError, match="zebra"):
        compare(bundle, tmp_path)
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    with pytest.raises(MixerEdgeError, match=r"b\.png"):
        compare(bundle, tmp_path)
