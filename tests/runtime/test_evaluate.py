"""The evaluation: complete, the same in any order and with any number of processes, and after a kill."""

from __future__ import annotations

import json
import logging
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import LABELS, reseal
from tests.pictures import write_pictures

import mixer_edge.evaluate
import mixer_edge.workers
from mixer_edge import strict_json
from mixer_edge.bundle import Bundle
from mixer_edge.classifier import Classifier
from mixer_edge.cli import main
from mixer_edge.dataset import Dataset, LabelledImage, open_dataset
from mixer_edge.errors import DataError
from mixer_edge.evaluate import SOURCE, Evaluation, Task, evaluate
from mixer_edge.manifest import FileSpec
from mixer_edge.metrics import kl_divergence, softmax
from mixer_edge.scores import EvaluationReport, score

NAMES = ("float32", "float16", "int8")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty pictures in class folders; shared, so not to be changed."""
    return write_pictures(tmp_path_factory.mktemp("data") / "data", LABELS, 4)


@pytest.fixture(scope="module")
def evaluation(tiny_bundle: Path, data: Path) -> Evaluation:
    """All variants on all pictures, in this process only."""
    return evaluate(Task(bundle=tiny_bundle, names=NAMES), open_dataset(data, LABELS), workers=1)


def test_records_are_what_the_classifier_says(tiny_bundle: Path, data: Path, evaluation: Evaluation) -> None:
    """Classes, probabilities, divergence and logit difference equal those of single classifications."""
    bundle = Bundle.open(tiny_bundle)
    outputs = {}
    for name in ("float32", "int8"):
        with Classifier(bundle, name, threads=1) as classifier:
            paths = [image.path for image in evaluation.dataset.images]
            outputs[name] = np.stack([classifier.output(classifier.tensor(path)) for path in paths])
    answers = evaluation.records["int8"]
    best = np.argsort(-outputs["int8"], axis=1, kind="stable")[:, :5]
    np.testing.assert_array_equal(answers["classes"], best)
    np.testing.assert_array_equal(answers["probabilities"], np.take_along_axis(softmax(outputs["int8"]), best, axis=1))
    np.testing.assert_allclose(answers["kl_divergence"], kl_divergence(outputs["float32"], outputs["int8"]), rtol=1e-9)
    np.testing.assert_array_equal(
        answers["largest_difference"], np.abs(outputs["float32"] - outputs["int8"]).max(axis=1)
    )
    assert evaluation.truth().tolist() == [index for index in range(10) for _ in range(4)]


def test_without_a_threshold_no_picture_is_refused(evaluation: Evaluation) -> None:
    """No record has it, and there is no figure."""
    assert not any(evaluation.records[name]["refused"].any() for name in NAMES)
    assert (evaluation.refuses, evaluation.none_class, score(evaluation, "int8", str).refused) == (False, None, None)


def test_pictures_below_the_threshold_are_refused(
    bundle: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each variant by its own logits; the table has a column for it."""
    dataset = open_dataset(data, LABELS)
    logits = {}
    for name in ("float32", "int8"):
        with Classifier(Bundle.open(bundle), name, threads=1) as classifier:
            logits[name] = [classifier.output(classifier.tensor(image.path)).max() for image in dataset.images]
    threshold = float(np.median(logits["float32"]))
    reseal(bundle, lambda facts: facts.update(unknown={"measure": "logit", "threshold": threshold, "refused": 0.05}))
    result = evaluate(Task(bundle=bundle, names=("float32", "int8")), dataset, workers=1)
    for name in ("float32", "int8"):
        assert result.records[name]["refused"].tolist() == [largest < threshold for largest in logits[name]]
    assert (result.refuses, result.records["float32"]["refused"].sum()) == (True, 20)
    share = result.records["int8"]["refused"].mean()
    journal = ["--variants", "int8", "--journal", str(tmp_path / "journal")]
    assert main(["evaluate", str(bundle), str(data), *journal]) == 0
    head, float32, int8, last = capsys.readouterr().out.splitlines()
    assert head == "variant            top-1  95 % interval        top-5  changed  none of these"
    assert (float32[-8:], int8[-8:]) == ("  50.00%", f"{share:8.2%}")
    assert len(float32) == len(int8) == len(head)
    assert last == (
        "40 pictures; changed: predictions that differ from float32's; none of these: refused pictures, whose nearest "
        "class counts."
    )


@pytest.mark.parametrize(("label", "found"), [("None", 3), ("none, nothing", 3), ("none of these", None)])
def test_the_class_none_is_found_by_its_label(
    bundle: Path, data: Path, tmp_path: Path, label: str, found: int | None
) -> None:
    """In any case and with synonyms; another label that has this word is a class like all others."""
    labels = (*LABELS[:3], label, *LABELS[4:])
    (bundle / "labels.txt").write_text("".join(f"{name}\n" for name in labels), "utf-8")
    reseal(bundle, lambda facts: facts.update(labels=asdict(FileSpec.of(bundle / "labels.txt"))))
    (tmp_path / "data").mkdir()
    shutil.copy(data / "bird/0000.png", tmp_path / "data/a.png")
    result = evaluate(Task(bundle=bundle, names=("float32",)), open_dataset(tmp_path / "data", labels), workers=1)
    assert result.none_class == found


def test_neither_order_nor_processes_matter(
    tiny_bundle: Path, evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures in reverse, evaluated by three processes, have the same records and the same data fingerprint."""
    monkeypatch.setattr(mixer_edge.workers, "SINGLE_PROCESS_S", 0.0)
    dataset = evaluation.dataset
    turned = Dataset(folder=dataset.folder, layout=dataset.layout, images=dataset.images[::-1])
    other = evaluate(Task(bundle=tiny_bundle, names=NAMES), turned, workers=3)
    for name in NAMES:
        np.testing.assert_array_equal(other.records[name][::-1], evaluation.records[name])
    assert other.data_fingerprint() == evaluation.data_fingerprint()
    assert [score(other, name, str) for name in NAMES] == [score(evaluation, name, str) for name in NAMES]


def test_unreadable_pictures_are_listed(tiny_bundle: Path, data: Path, tmp_path: Path) -> None:
    """A broken picture is reported with its reason and does not count."""
    folder = shutil.copytree(data, tmp_path / "data")
    (folder / "bird" / "broken.png").write_bytes(b"no picture")
    result = evaluate(Task(bundle=tiny_bundle, names=NAMES), open_dataset(folder, LABELS))
    assert result.unreadable == (
        f"{folder}/bird/broken.png: is not a JPEG, PNG, GIF, WebP, TIFF, BMP or PPM picture "
        "(it begins with b'no picture')",
    )
    assert len(result.records) == 40
    assert score(result, "int8", str).pictures == 40


def test_nothing_readable(tiny_bundle: Path, tmp_path: Path) -> None:
    """A folder with only broken pictures is an error that names the first."""
    (tmp_path / "bird").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "bird" / name).write_bytes(b"no picture")
    with pytest.raises(DataError) as error:
        evaluate(Task(bundle=tiny_bundle, names=NAMES), open_dataset(tmp_path, LABELS))
    assert str(error.value) == (
        f"{tmp_path}: none of 2 pictures can be read, the first: {tmp_path}/bird/a.png: is not a JPEG, PNG, GIF, WebP, "
        "TIFF, BMP or PPM picture (it begins with b'no picture')"
    )


def test_the_source_is_read_from_its_outputs(tiny_bundle: Path, evaluation: Evaluation, tmp_path: Path) -> None:
    """Given logits are the reference: if equal to float32's the difference is 0, and 2 where one is changed by 2."""
    bundle = Bundle.open(tiny_bundle)
    with Classifier(bundle, "float32", threads=1) as classifier:
        logits = np.stack([classifier.output(classifier.tensor(image.path)) for image in evaluation.dataset.images])
    logits[7, 3] -= 2
    np.save(tmp_path / "logits.npy", logits)
    task = Task(bundle=tiny_bundle, names=(SOURCE, "float32"), source_outputs=tmp_path / "logits.npy")
    result = evaluate(task, evaluation.dataset)
    assert result.reference == SOURCE
    assert np.flatnonzero(result.records["float32"]["largest_difference"]).tolist() == [7]
    assert result.records["float32"]["largest_difference"][7] == pytest.approx(2)


def test_feature_extractors_have_nothing_to_evaluate(tiny_features: Path, evaluation: Evaluation) -> None:
    """A bundle without classes is refused."""
    with pytest.raises(DataError, match="a feature extractor has no classes to evaluate"):
        evaluate(Task(bundle=tiny_features, names=NAMES), evaluation.dataset)


def test_unlabelled_pictures_give_agreement_alone(tiny_bundle: Path, evaluation: Evaluation) -> None:
    """Without classes there is no accuracy, but the changed predictions are counted."""
    dataset = evaluation.dataset
    images = tuple(LabelledImage(path=image.path, index=None) for image in dataset.images)
    unlabelled = Dataset(folder=dataset.folder, layout="unlabelled", images=images)
    result = score(evaluate(Task(bundle=tiny_bundle, names=NAMES), unlabelled), "int8", str)
    known = score(evaluation, "int8", str)
    assert (result.top1, result.top5, result.difference, result.worst_classes) == (None, None, None, ())
    assert (result.changed, result.agreement) == (known.changed, known.agreement)


def test_a_killed_run_goes_on_where_it_stopped(tiny_bundle: Path, tmp_path: Path) -> None:
    """After SIGKILL in the middle, a second run evaluates the rest and prints the same as one complete run."""
    folder = write_pictures(tmp_path / "data", LABELS, 300)
    command = [
        sys.executable,
        "-m",
        "mixer_edge",
        "evaluate",
        str(tiny_bundle),
        str(folder),
        "--json",
        "--workers",
        "2",
    ]

    def run(journal: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, "--journal", str(tmp_path / journal)], capture_output=True, text=True, check=True
        )

    printed = run("straight").stdout
    straight = json.loads(printed)
    report = strict_json.read(EvaluationReport, printed)
    assert {(row.name, row.pictures) for row in report.scores} >= {("float32", 3000), ("int8", 3000)}
    killed = subprocess.Popen(
        [*command, "--journal", str(tmp_path / "killed")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    whole = (tmp_path / "straight").stat().st_size
    while not (tmp_path / "killed").is_file() or (tmp_path / "killed").stat().st_size < whole / 4:
        assert killed.poll() is None, "it ended before it could be killed"
        time.sleep(0.002)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert (tmp_path / "killed").stat().st_size < whole
    resumed = run("killed")
    assert re.fullmatch(r"continuing: \d+ of 3000 pictures are already done\n", resumed.stderr)
    assert json.loads(resumed.stdout) == straight
    assert (tmp_path / "killed").stat().st_size == whole


def test_what_was_done_before_is_logged(
    tiny_bundle: Path, evaluation: Evaluation, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A second run with the same journal logs how many pictures are done; a first run logs nothing."""
    caplog.set_level(logging.INFO, "mixer_edge")
    task = Task(bundle=tiny_bundle, names=NAMES)
    for _ in range(2):
        again = evaluate(task, evaluation.dataset, workers=1, journal=tmp_path / "journal", resume=True)
        np.testing.assert_array_equal(again.records, evaluation.records)
    assert caplog.messages == ["continuing: 40 of 40 pictures are already done"]


def test_the_commands_table(
    tiny_bundle: Path, data: Path, evaluation: Evaluation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table shows every variant once, the reference first, and says how many pictures there were."""
    code = main(["evaluate", str(tiny_bundle), str(data), "--variants", "int8", "--journal", str(tmp_path / "journal")])
    assert code == 0
    rows = []
    for name in ("float32", "int8"):
        found = score(evaluation, name, str)
        assert found.top1 is not None
        assert found.top5 is not None
        low, high = (f"{end:.2%}" for end in found.top1.interval)
        top1, top5 = f"{found.top1.share:.2%}", f"{found.top5.share:.2%}"
        rows.append([name, top1, low, "to", high, top5, str(found.changed)])
    head, *lines, last = capsys.readouterr().out.splitlines()
    assert head == "variant            top-1  95 % interval        top-5  changed"
    assert [line.split() for line in lines] == rows
    assert last == "40 pictures; changed: predictions that differ from float32's."


def test_a_record_is_small() -> None:
    """A picture's record of three variants and 1000 classes takes 195 bytes: 50,000 of them 9.8 MB."""
    assert mixer_edge.evaluate.record_dtype(NAMES, 1000).itemsize == 36 + 3 * 53
