"""From a folder of pictures to a bundle with the user's classes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.export.training.conftest import draw_pictures

from mixer_edge import Classifier
from mixer_edge.bundle import Bundle
from mixer_edge.dataset import open_dataset
from mixer_edge.errors import DataError, ModelError
from mixer_edge.evaluate import Task, evaluate
from mixer_edge.manifest import Manifest
from mixer_edge_export import train
from mixer_edge_export.cli import main
from mixer_edge_export.sources import load_source
from mixer_edge_export.training.links import pictures_folder
from mixer_edge_export.training.options import HeldOut
from mixer_edge_export.training.record import TrainingRecord

VARIANTS = ["float32", "int8"]


@pytest.fixture(scope="module")
def trained(checkpoint: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle for the three colours."""
    out = tmp_path_factory.mktemp("trained") / "colours"
    train(photos, out, model=str(checkpoint), variants=VARIANTS)
    return out


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the contents of a folder by relative name."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_bundle_says_what_was_trained_on_what(trained: Path, checkpoint: Path) -> None:
    """Source, counts and labels are in the manifest, and the record is complete."""
    bundle = Bundle.open(trained)
    manifest, training = bundle.manifest, bundle.manifest.training
    assert training is not None
    assert bundle.labels == ("blue", "green", "red")
    assert (manifest.name, manifest.task, manifest.source.kind) == ("colours", "classification", "trained")
    assert (manifest.source.location, manifest.source.weights) == ("tiny_fe.npz", "trained")
    assert (training.extractor, training.extractor_fingerprint) == (
        "tiny_fe.npz",
        load_source(str(checkpoint)).fingerprint(),
    )
    assert {label: training.pictures[label] + training.held_out[label] for label in bundle.labels} == {
        "blue": 12,
        "green": 12,
        "red": 12,
    }
    assert sum(training.held_out.values()) in (6, 7, 8, 9)
    record = TrainingRecord.read(bundle)
    assert record is not None
    assert not set(record.trained) & set(record.held_out)
    assert sum(map(sum, record.held_out_confusion)) == sum(training.held_out.values())
    assert [each.label for each in record.classes] == ["blue", "green", "red"]


def test_the_accuracy_in_the_manifest_is_that_of_the_file(trained: Path) -> None:
    """Evaluating float32 on the links to the held-out pictures gives the same share and the same fingerprint."""
    bundle = Bundle.open(trained)
    training = bundle.manifest.training
    assert training is not None
    dataset = open_dataset(pictures_folder(trained) / "held_out", bundle.labels)
    evaluation = evaluate(Task(bundle=trained, names=("float32",)), dataset, workers=1)
    assert float(np.mean(evaluation.predictions("float32") == evaluation.truth())) == training.held_out_top1
    assert evaluation.data_fingerprint() == training.held_out_fingerprint


def test_the_links_are_the_users_files(trained: Path, photos: Path) -> None:
    """Each picture has one link, in one of the two folders."""
    links = {
        path.relative_to(pictures_folder(trained)).parts[1:]: path for path in pictures_folder(trained).rglob("*.png")
    }
    assert len(links) == 36
    for parts, link in links.items():
        assert link.is_symlink()
        assert link.resolve() == photos.joinpath(*parts).resolve()


def test_the_same_pictures_give_the_same_bytes(trained: Path, checkpoint: Path, photos: Path, tmp_path: Path) -> None:
    """Also when the files lie elsewhere and were written in another order; the features come from the cache."""
    copy = tmp_path / "elsewhere"
    for path in sorted(photos.rglob("*.png"), reverse=True):
        (copy / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy / path.parent.name / path.name)
    train(copy, tmp_path / "colours", model=str(checkpoint), variants=VARIANTS)
    assert files_of(tmp_path / "colours") == files_of(trained)


def test_the_head_follows_the_modules_own_graph(twin_fe: Path, photos: Path, tmp_path: Path) -> None:
    """For a SavedModel the judge is its graph, and every file agrees with that graph and the head behind it."""
    manifest = train(photos, tmp_path / "mine", model=str(twin_fe), variants=["float32"])
    assert manifest.source.judge == "saved_model"
    assert manifest.source.rebuilt_error < 2e-6
    golden = Bundle.open(tmp_path / "mine").golden()
    with np.load(tmp_path / "mine" / "golden.npz") as arrays:
        reference = arrays["reference"]
    np.testing.assert_allclose(golden["float32"], reference, atol=1e-4 * np.abs(reference).max())


def test_a_held_out_folder_of_ones_own(checkpoint: Path, photos: Path, tmp_path: Path) -> None:
    """All of the data is trained on, the accuracy is the folder's, and copies of training pictures are refused."""
    own = draw_pictures(tmp_path / "own", 3, seed=9)
    held_out = HeldOut(pictures=own)
    manifest = train(photos, tmp_path / "mine", model=str(checkpoint), held_out=held_out, variants=["float32"])
    assert manifest.training is not None
    assert dict(manifest.training.pictures) == {"blue": 12, "green": 12, "red": 12}
    assert dict(manifest.training.held_out) == {"blue": 3, "green": 3, "red": 3}
    flat = shutil.copytree(own / "red", tmp_path / "flat")
    with pytest.raises(DataError) as raised:
        train(photos, tmp_path / "other", model=str(checkpoint), held_out=HeldOut(pictures=flat))
    assert str(raised.value) == f"{flat}: pictures without a class; expected {flat}/<class>/<picture>, or a table"
    shutil.copyfile(photos / "red" / "03.png", own / "red" / "copy.png")
    before = files_of(tmp_path / "mine")
    with pytest.raises(DataError, match=r"copy\.png"):
        train(photos, tmp_path / "mine", model=str(checkpoint), held_out=held_out, overwrite=True)
    assert files_of(tmp_path / "mine") == before


def test_without_a_threshold_one_of_the_classes_is_the_answer(checkpoint: Path, photos: Path, tmp_path: Path) -> None:
    """``refused=0`` leaves the manifest without one."""
    manifest = train(photos, tmp_path / "mine", model=str(checkpoint), refused=0, variants=["float32"])
    assert manifest.unknown is None


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("digits", "digits: a classifier of 10 classes; train needs a feature extractor, e.g. mixer_b32_sam_fe"),
        ("mixer_x99", "mixer_x99: no such model; expected digits, "),
    ],
)
def test_a_model_that_is_no_feature_extractor(photos: Path, tmp_path: Path, model: str, message: str) -> None:
    """The error says what it is and what to use, and nothing is written."""
    with pytest.raises(ModelError) as raised:
        train(photos, tmp_path / "mine", model=model)
    assert str(raised.value).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_no_feature_extractor(trained: Path, photos: Path, tmp_path: Path) -> None:
    """The error says that it is a bundle."""
    with pytest.raises(ModelError) as raised:
        train(photos, tmp_path / "mine", model=str(trained))
    assert str(raised.value) == f"{trained}: a bundle; train needs a feature extractor, e.g. mixer_b32_sam_fe"


def test_a_killed_training_leaves_nothing_and_goes_on(checkpoint: Path, photos: Path, tmp_path: Path) -> None:
    """Killed while it computes features, the repeated command gives the bundle of an undisturbed one."""
    command = [sys.executable, "-m", "mixer_edge_export", "train", str(photos), "--model", str(checkpoint)]
    command += ["--variants", "float32", "--out", str(tmp_path / "mine")]
    environment = os.environ | {"MIXER_EDGE_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not list((tmp_path / "cache").rglob("*.journal")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "mine").exists()
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    undisturbed = train(photos, tmp_path / "again" / "mine", model=str(checkpoint), variants=["float32"])
    assert Manifest.read(tmp_path / "mine") == undisturbed
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_the_command_prints_the_figures_and_writes_the_report(
    checkpoint: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unreadable picture is listed and the exit code is 1; compare needs no DATA afterwards."""
    data = shutil.copytree(photos, tmp_path / "photos")
    (data / "red" / "broken.png").write_bytes(b"not a picture")
    out = tmp_path / "mine"
    code = main(["train", str(data), "--model", str(checkpoint), "--out", str(out), "--variants", "float32,int8"])
    captured = capsys.readouterr()
    assert code == 1
    assert captured.err.splitlines()[-3:] == [
        f"trained on tiny_fe.npz: {out}",
        f"report: {tmp_path}/mine-report/report.html",
        f"error: {data}/red/broken.png: is not a JPEG, PNG, GIF, WebP, TIFF, BMP or PPM picture "
        "(it begins with b'not a picture')",
    ]
    assert captured.out.startswith("Held out: ")
    assert [line.split()[0] for line in captured.out.splitlines() if "kB" in line or "MB" in line] == [
        "float32",
        "int8",
    ]
    assert (tmp_path / "mine-report/report.html").is_file()
    assert main(["compare", str(out), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["measured"]["data_fingerprint"] == Manifest.read(out).training.held_out_fingerprint
    shutil.rmtree(pictures_folder(out))
    assert main(["compare", str(out)]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path}/mine-pictures/held_out: the pictures held out are not there any more; train again, or add "
        "--data\n"
    )


def test_two_classes(checkpoint: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """None can be left out: the command and the report say that nothing is known about other pictures."""
    for label in ("blue", "red"):
        shutil.copytree(photos / label, tmp_path / "photos" / label)
    command = ["train", str(tmp_path / "photos"), "--model", str(checkpoint), "--out", str(tmp_path / "mine")]
    assert main([*command, "--variants", "float32"]) == 0
    sentence = "With so few classes none can be left out, so what it does to other pictures is not known."
    assert sentence in capsys.readouterr().out
    assert sentence in (tmp_path / "mine-report/report.html").read_text("utf-8")
    unknown = Manifest.read(tmp_path / "mine").unknown
    assert unknown is not None
    assert (unknown.measure, unknown.refused) == ("probability", 0.0)


@pytest.mark.parametrize("text", ["0", "1", "-0.5", "1.5"])
def test_a_share_that_cannot_be_held_out(
    photos: Path, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A number is a share, strictly between 0 and 1."""
    assert (
        main(["train", str(photos), "--model", "digits_fe", "--out", str(tmp_path / "mine"), f"--held-out={text}"]) == 2
    )
    assert capsys.readouterr().err == (
        f"error: --held-out {text}: expected a share between 0 and 1, or a folder of pictures\n"
    )


def test_a_stranger_is_none_of_these(tmp_path: Path) -> None:
    """The bundled extractor trained on digits 0 to 3 refuses noise."""
    data = tmp_path / "digits"
    from mixer_edge_export.digits.images import write_images

    write_images(tmp_path / "all")
    for digit in "0123":
        shutil.copytree(tmp_path / "all/train" / digit, data / digit)
    train(data, tmp_path / "mine", model="digits_fe", variants=["float32", "int8"])
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    with Classifier.load(tmp_path / "mine") as classifier:
        known = next((tmp_path / "all/held_out/2").iterdir())
        (stranger, friend) = classifier.classify_many([tmp_path / "noise.png", known])
    assert stranger.none
    assert (friend.none, friend.categories[0].label) == (False, "2")
