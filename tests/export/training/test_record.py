"""The record of a training: written into a bundle and read from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.trainings import HEAD, RECORD

from mixer_edge.bundle import Bundle
from mixer_edge.errors import BundleError
from mixer_edge.manifest import FileSpec
from mixer_edge_export.training.record import RECORD_NAME, Training, TrainingRecord


def trained(bundle: Path, file: FileSpec) -> Bundle:
    """Return the bundle as if it had been trained, with this record."""
    opened = Bundle.open(bundle)
    return replace(opened, manifest=replace(opened.manifest, training=replace(HEAD, file=file)))


def test_what_was_written_is_read(bundle: Path) -> None:
    """The same record; None if the manifest knows of no training."""
    file = RECORD.write(bundle)
    assert file == FileSpec.of(bundle / RECORD_NAME)
    opened = trained(bundle, file)
    assert TrainingRecord.read(opened) == RECORD
    assert Training.read(opened) == Training(head=replace(HEAD, file=file), unknown=None, record=RECORD)
    assert TrainingRecord.read(Bundle.open(bundle)) is None
    assert Training.read(Bundle.open(bundle)) is None


def test_another_file_is_refused(bundle: Path) -> None:
    """A file that the manifest knows, but that is not a record."""
    (bundle / RECORD_NAME).write_text('{"trained": 1}')
    with pytest.raises(BundleError) as raised:
        TrainingRecord.read(trained(bundle, FileSpec.of(bundle / RECORD_NAME)))
    assert str(raised.value) == (
        f"{bundle}/training.json: not a training record (field 'trained' is 1, expected Mapping); train again"
    )
