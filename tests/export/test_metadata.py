"""TFLite Metadata, read back by others: zipfile, the schema that MediaPipe ships, and MediaPipe Tasks itself."""

import zipfile
from pathlib import Path

import pytest
from tests.conftest import LABELS

from mixer_edge.errors import ModelError
from mixer_edge.preprocess import preprocess_spec
from mixer_edge_export.metadata import attach, describe, replace


def test_labels_stand_in_an_archive_behind_the_model(tiny_bundle: Path, tiny_features: Path) -> None:
    """Every file of a classifier is a zip archive of its labels; a feature extractor's has none."""
    for path in tiny_bundle.glob("*.tflite"):
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist() == ["labels.txt"]
            assert archive.read("labels.txt").decode().splitlines() == list(LABELS)
    assert not zipfile.is_zipfile(tiny_features / "float32.tflite")


def test_the_same_labels_give_the_same_bytes_on_any_day() -> None:
    """The archive carries no date of its making."""
    content = attach(b"model", {"labels.txt": b"ant\n"})
    assert content == attach(b"model", {"labels.txt": b"ant\n"})
    assert content.startswith(b"modelPK")


def test_metadata_of_another_input_have_the_same_length() -> None:
    """Only numbers differ, so they can take each other's place in a finished file."""
    plain = preprocess_spec(64)
    first = describe("m", plain, has_labels=True, task="classification")
    import dataclasses

    other = describe("m", dataclasses.replace(plain, offset=-0.5), has_labels=True, task="classification")
    assert first != other
    assert replace(b"a" + first + b"z", first, other) == b"a" + other + b"z"


def test_lost_metadata_are_an_error() -> None:
    """A tool that drops them on the way is not passed over."""
    with pytest.raises(ModelError) as error:
        replace(b"model", b"old", b"new")
    assert str(error.value) == "the file has lost its metadata on the way from float32; expected them kept"
