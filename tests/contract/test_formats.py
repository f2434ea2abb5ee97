"""The files written now equal the committed ones: a renamed field, another order or another pixel is detected."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import LABELS
from tests.contract.formats import JOURNAL_SUBJECT, RECORD, WRITERS, comparison, journal_records, manifest
from tests.contract.preprocessing import FOLDER, PICTURES, decoders, preprocessed, specs
from tests.pictures import write_pictures

from mixer_edge import manifest as manifests
from mixer_edge import strict_json
from mixer_edge.captured.tables import CAPTURED
from mixer_edge.dataset import open_dataset
from mixer_edge.errors import BundleError
from mixer_edge.evaluate import Task, evaluate
from mixer_edge.journal import Journal
from mixer_edge.manifest import Manifest
from mixer_edge.preprocess import check_spec
from mixer_edge.teach.tables import TAUGHT
from mixer_edge_export.comparison import types as reports


@pytest.mark.parametrize("name", [name for name in WRITERS if not name.endswith(".npz")])
def test_each_file_is_written_as_it_was(name: str, tmp_path: Path) -> None:
    """The same values are the same bytes as those committed."""
    WRITERS[name](tmp_path)
    assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()


def test_each_file_is_read_as_it_was_meant(tmp_path: Path) -> None:
    """Reading the committed bytes gives the values from which they were written."""
    assert Manifest.read(FOLDER) == manifest()
    for name, value in (("calibration.json", RECORD), ("report.json", comparison())):
        assert strict_json.parse(type(value), json.loads((FOLDER / name).read_bytes())) == value
    copy = tmp_path / "evaluation.journal"
    copy.write_bytes((FOLDER / copy.name).read_bytes())
    with Journal(copy, JOURNAL_SUBJECT, journal_records().dtype) as journal:
        np.testing.assert_array_equal(journal.records, journal_records())


def test_an_evaluation_heads_its_journal_as_the_committed_one(tiny_bundle: Path, tmp_path: Path) -> None:
    """The first line names the same subject: the bundle, the variants, the pictures and the versions."""
    dataset = open_dataset(write_pictures(tmp_path / "data", LABELS[:1], 1), LABELS)
    path = tmp_path / "evaluation.journal"
    task = Task(bundle=tiny_bundle, names=("float32", "int8"))
    evaluate(task, dataset, workers=1, journal=path, resume=True)
    found, committed = (json.loads(file.read_bytes().split(b"\n")[0]) for file in (path, FOLDER / path.name))
    assert list(found) == list(committed)
    assert list(found["tools"]) == list(committed["tools"])
    assert (found["journal"], found["names"]) == (committed["journal"], committed["names"])


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        (3, "written by an older mixer-edge; export it again"),
        (5, "written by a newer mixer-edge; upgrade this one"),
    ],
)
def test_a_manifest_of_another_schema_is_refused_in_words(version: int, reason: str) -> None:
    """Committed bundles of the previous and the next schema: the error says which, and what to do."""
    folder = FOLDER / f"schema-{version}"
    with pytest.raises(BundleError) as error:
        Manifest.read(folder)
    assert str(error.value) == f"{folder}/manifest.json: schema version {version}, expected 4; {reason}"


def test_the_golden_array_covers_every_specification() -> None:
    """A device supports each one, and each has an entry for every picture."""
    for spec in specs().values():
        check_spec(spec)
    with np.load(FOLDER / "preprocessing.npz") as golden:
        shapes = {name: golden[name].shape for name in golden.files if name != "made_with"}
    assert shapes == dict.fromkeys(specs(), (len(list(PICTURES.iterdir())), 12, 16, 3))


def test_pictures_become_the_golden_pixels() -> None:
    """Every picture under every specification, to the last bit."""
    with np.load(FOLDER / "preprocessing.npz") as golden:
        for name, pixels in preprocessed().items():
            versions = f"{name}: made with {golden['made_with']}, this is {decoders()}"
            np.testing.assert_array_equal(pixels, golden[name], err_msg=versions)


def test_the_documentation_states_the_versions() -> None:
    """The versions in docs/formats.md are the current ones."""
    text = (FOLDER.parents[2] / "docs" / "formats.md").read_text("utf-8")
    with np.load(FOLDER / "preprocessing.npz") as golden:
        assert f"made with {golden['made_with']};" in text
    assert f"every command of both programs | `schema_version`, now {manifests.SCHEMA_VERSION} |" in text
    assert f"your programs | `schema_version`, now {reports.SCHEMA_VERSION} |" in text
    assert f"`journal` in the first line, now {JOURNAL_SUBJECT['journal']} |" in text
    for database in (TAUGHT, CAPTURED):
        assert re.search(rf"^\| `{database.file}` .* `user_version`, now {database.version} \|$", text, re.MULTILINE)
