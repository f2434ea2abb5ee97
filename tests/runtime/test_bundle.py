"""A bundle that is not whole is refused, before the interpreter sees any of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import reseal

from mixer_edge import Classifier
from mixer_edge.bundle import Bundle
from mixer_edge.errors import BundleError
from mixer_edge.manifest import MANIFEST_NAME, FileSpec
from mixer_edge.verify import check_files


def refusal(call: Callable[[], object]) -> str:
    """Return the message of the error that the call ends in."""
    with pytest.raises(BundleError) as error:
        call()
    return str(error.value)


@pytest.fixture
def no_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any attempt to load a file into an interpreter fails the test."""

    def load(*_: object, **__: object) -> None:
        pytest.fail("the interpreter saw the file")

    monkeypatch.setattr("mixer_edge.classifier.Interpreter", load)


def test_a_model_with_any_byte_flipped_never_reaches_the_interpreter(bundle: Path, no_interpreter: None) -> None:
    """The first, the last and every 997th byte of the int8 file."""
    path = bundle / "int8.tflite"
    content = path.read_bytes()
    for place in (*range(0, len(content), 997), len(content) - 1):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x80]) + content[place + 1 :])
        assert refusal(lambda: Classifier.load(bundle)) == (
            f"{path}: damaged, its sha256 is not the manifest's; copy the bundle again"
        )


@pytest.mark.parametrize("name", ["int8.tflite", "labels.txt", MANIFEST_NAME])
def test_a_missing_file_is_named(bundle: Path, no_interpreter: None, name: str) -> None:
    """Model, labels or manifest."""
    (bundle / name).unlink()
    message = refusal(lambda: Classifier.load(bundle))
    if name == MANIFEST_NAME:
        assert message == f"{bundle / name}: no such file; expected a bundle folder written by mixer-edge-export"
    else:
        assert message == f"{bundle / name}: missing, but the manifest lists it; copy the bundle again"


def test_every_listed_file_is_checked(bundle: Path) -> None:
    """Models, golden vectors, labels and calibration record; each cut short is found, the last may be missing."""
    opened = Bundle.open(bundle)
    names = [f"{variant.name}.tflite" for variant in opened.manifest.variants] + ["golden.npz", "labels.txt"]
    names.append("calibration.json")
    assert check_files(opened) == len(names) == len(list(bundle.iterdir())) - 1
    for name in names:
        content = (bundle / name).read_bytes()
        (bundle / name).write_bytes(content[:-1])
        assert refusal(lambda: check_files(opened)) == (
            f"{bundle / name}: damaged, its sha256 is not the manifest's; copy the bundle again"
        )
        (bundle / name).write_bytes(content)
    (bundle / "calibration.json").unlink()
    assert check_files(opened) == len(names) - 1


def test_a_wrong_number_of_labels_is_refused(bundle: Path, no_interpreter: None) -> None:
    """Nine labels for ten classes, in a bundle that is otherwise whole."""
    (bundle / "labels.txt").write_text("x\n" * 9)
    facts = FileSpec.of(bundle / "labels.txt")

    def relist(manifest: dict[str, Any]) -> None:
        manifest["labels"] = {"name": facts.name, "size_bytes": facts.size_bytes, "sha256": facts.sha256}

    reseal(bundle, relist)
    assert refusal(lambda: Classifier.load(bundle)) == f"{bundle}: 9 labels for 10 classes; export it again"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda facts: facts["preprocess"].update(dither=True),
            "{manifest}: not a manifest that this program can read (unknown field 'preprocess.dither'); "
            "export or copy it again",
        ),
        (
            lambda facts: facts["preprocess"].update(geometry="letterbox"),
            '{manifest}: field \'preprocess.geometry\' is "letterbox", this program knows "squash" and "resize-crop"; '
            "upgrade mixer-edge",
        ),
        (
            lambda facts: facts.update(task="detection"),
            '{manifest}: field \'task\' is "detection", this program knows "classification" and "embedding"; '
            "upgrade mixer-edge",
        ),
        (
            lambda facts: facts["preprocess"].update(resample="lanczos"),
            '{manifest}: field \'preprocess.resample\' is "lanczos", this program knows "bilinear" and "bicubic"; '
            "upgrade mixer-edge",
        ),
        (
            lambda facts: facts["preprocess"].update(decode="fast"),
            '{manifest}: field \'preprocess.decode\' is "fast", this program knows "scaled" and "exact"; '
            "upgrade mixer-edge",
        ),
        (
            lambda facts: facts["variants"][0]["runtimes"]["ai-edge-litert"].update(status="slow"),
            '{manifest}: field \'variants[0].runtimes.ai-edge-litert.status\' is "slow", this program knows "ok", '
            '"refused" and "unchecked"; upgrade mixer-edge',
        ),
        (
            lambda facts: facts["source"].update(kind="disk"),
            '{manifest}: field \'source.kind\' is "disk", this program knows "bundled", "random", "npz", '
            '"saved_model", "hub", "kaggle" and "trained"; upgrade mixer-edge',
        ),
        (
            lambda facts: facts["labels"].update(name="../labels.txt"),
            "{bundle}/../labels.txt: outside the bundle; export it again",
        ),
    ],
)
def test_a_well_formed_bundle_with_unknown_facts_is_refused(
    bundle: Path, no_interpreter: None, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    """Nothing that this program does not know is passed over."""
    reseal(bundle, change)
    expected = message.format(bundle=bundle, manifest=bundle / MANIFEST_NAME)
    assert refusal(lambda: Classifier.load(bundle)) == expected


def test_an_input_that_is_not_the_manifests_is_refused(bundle: Path) -> None:
    """The file's own tensor counts: a manifest that says otherwise is not followed."""

    def lie(facts: dict[str, Any]) -> None:
        (variant,) = [variant for variant in facts["variants"] if variant["name"] == "int8"]
        variant["input"]["dtype"] = "uint8"

    reseal(bundle, lie)
    expected = f"{bundle / 'int8.tflite'}: its input differs from the manifest's; export it again"
    assert refusal(lambda: Classifier.load(bundle)) == expected
