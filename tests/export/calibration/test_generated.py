"""The generated calibration set: the same bytes everywhere, and the variety of photographs."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest

from mixer_edge.errors import DataError
from mixer_edge.preprocess import Preprocessing
from mixer_edge_export.calibration import generated_calibration, load_calibration
from mixer_edge_export.calibration import pictures as module
from mixer_edge_export.calibration.generated import generate, picture
from mixer_edge_export.cli import main

COMMITTED = Path(__file__).parents[3] / "calibration_data" / "manifest.csv"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the command writes."""
    folder = tmp_path_factory.mktemp("generated") / "new"
    assert main(["calibration-pictures", "--out", str(folder)]) == 0
    return folder


def test_the_files_are_those_of_the_committed_manifest(written: Path) -> None:
    """Every picture has the sha256 that was written down when the set was measured."""
    assert (written / "manifest.csv").read_bytes() == COMMITTED.read_bytes()
    with COMMITTED.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 64
    for row in rows:
        assert hashlib.sha256((written / row["file"]).read_bytes()).hexdigest() == row["sha256"]


def test_the_written_folder_calibrates_like_the_default(written: Path) -> None:
    """Read through its manifest, the set equals the generated one, and it passes the check."""
    spec = Preprocessing().spec(224)
    read, made = load_calibration(written, spec), generated_calibration(spec)
    np.testing.assert_array_equal(np.stack(read.pixels), np.stack(made.pixels))
    assert read.warnings == ()
    assert made.warnings == ("calibrated on generated pictures; use your own (--calibration, CALIBRATION=)",)


def test_the_set_is_brought_to_the_network_s_size() -> None:
    """A network of 64 by 64 gets the same pictures, smaller."""
    assert {pixels.shape for pixels in generated_calibration(Preprocessing().spec(64)).pixels} == {(64, 64, 3)}


def test_later_pictures_go_on_where_the_set_ends() -> None:
    """The selection pictures differ from the calibration pictures."""
    np.testing.assert_array_equal(generate(2, first=70), [picture(70), picture(71)])
    assert not np.array_equal(picture(0), picture(64))


def test_the_set_has_what_photographs_have() -> None:
    """Dark and bright, flat and hard, grey and coloured pictures, black and white in most, and a 1/f spectrum."""
    pixels = np.stack(generate(64)).astype(float)
    means, spreads = pixels.mean(axis=(1, 2, 3)), pixels.std(axis=(1, 2, 3))
    assert means.min() < 30
    assert means.max() > 225
    assert spreads.min() < 20
    assert spreads.max() > 80
    grey = (pixels == pixels[..., :1]).all(axis=(1, 2, 3))
    assert grey.sum() == 8
    # averaged over the set, power falls as 1/f²: by a factor of 4 for each octave, within a factor of 2
    power = np.square(np.abs(np.fft.fft2(pixels.mean(axis=3) - means[:, None, None]))).mean(axis=0)
    frequency = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(224) * 224]))
    octaves = [power[(frequency >= low) & (frequency < 2 * low)].mean() for low in (2, 4, 8, 16, 32)]
    assert all(2 < octaves[i] / octaves[i + 1] < 8 for i in range(4)), octaves


def test_other_bytes_than_the_measured_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this machine generates other pictures, the export stops."""
    monkeypatch.setattr(module, "generate", lambda count: generate(count, first=1))
    with pytest.raises(DataError) as raised:
        generated_calibration(Preprocessing().spec(224))
    assert str(raised.value) == (
        "the generated calibration pictures differ on this machine; use photographs (--calibration)"
    )


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file with the folder's name is an error with its path."""
    (tmp_path / "file").write_text("")
    assert main(["calibration-pictures", "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path}/file: cannot be written to ([Errno 17] File exists: '{tmp_path}/file'); "
        "choose another folder\n"
    )
