"""Tests of the bundled model: its pictures, its training and its committed weights."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mixer_edge.errors import DataError
from mixer_edge.preprocess import Preprocessing, load_pixels, normalize
from mixer_edge_export.digits import train as training
from mixer_edge_export.digits.augment import read_inks, redraw
from mixer_edge_export.digits.images import render_digits, write_images
from mixer_edge_export.network.mixer import MixerWeights, mixer
from mixer_edge_export.sources.npz import save_npz

DATA = Path(__file__).parents[1] / "data"
WEIGHTS = Path(training.__file__).with_name("digits.npz")
HELD_OUT_CORRECT = 808


@pytest.fixture(scope="module")
def weights() -> MixerWeights:
    """The committed weights."""
    with np.load(WEIGHTS) as arrays:
        return MixerWeights.from_arrays(dict(arrays), str(WEIGHTS))


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return every file's bytes and time of change, by its name relative to the folder."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_split_sizes(digits: Path) -> None:
    """Each split has the stated number of pictures, of every digit."""
    counts = Counter(tuple(path.relative_to(digits).parts[:2]) for path in digits.glob("*/*/*"))

    assert [counts["train", str(digit)] for digit in range(10)] == [85, 86, 78, 85, 84, 78, 88, 76, 77, 82]
    assert [counts["calibration", str(digit)] for digit in range(10)] == [16, 14, 16, 16, 17, 22, 13, 18, 17, 14]
    assert [counts["held_out", str(digit)] for digit in range(10)] == [77, 82, 83, 82, 80, 82, 80, 85, 80, 84]
    assert counts.total() == 819 + 163 + 815 == 1797


def test_split_goes_by_index_modulo_eleven(digits: Path) -> None:
    """Indices 0 to 4 modulo 11 train, 5 calibrates, 6 to 10 are held out."""
    remainders = {
        split: {int(path.stem) % 11 for path in digits.glob(f"{split}/*/*.png")}
        for split in ("train", "calibration", "held_out")
    }

    assert remainders == {"train": {0, 1, 2, 3, 4}, "calibration": {5}, "held_out": {6, 7, 8, 9, 10}}
    assert sorted(int(path.stem) for path in digits.glob("*/*/*.png")) == list(range(1797))


def test_no_two_pictures_are_equal(digits: Path) -> None:
    """All 1797 pictures differ in their pixels, so no split shares one with another."""
    hashes = {hashlib.sha256(Image.open(path).tobytes()).hexdigest() for path in digits.glob("*/*/*.png")}

    assert len(hashes) == 1797


def test_pixels_of_the_first_picture(digits: Path) -> None:
    """The first image, a zero, is its ink on white paper, enlarged by the bicubic filter with a = -0.5."""
    ink = np.array(
        [
            [0, 0, 5, 13, 9, 1, 0, 0],
            [0, 0, 13, 15, 10, 15, 5, 0],
            [0, 3, 15, 2, 0, 11, 8, 0],
            [0, 4, 12, 0, 0, 8, 8, 0],
            [0, 5, 8, 0, 0, 9, 8, 0],
            [0, 4, 11, 0, 1, 12, 7, 0],
            [0, 2, 14, 5, 10, 12, 0, 0],
            [0, 0, 6, 13, 10, 0, 0, 0],
        ]
    )
    position = (np.arange(64)[:, None] + 0.5) / 8 - 0.5 - np.arange(8)
    x = np.abs(position)
    kernel = np.where(x < 1, 1.5 * x**3 - 2.5 * x**2 + 1, np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0))
    kernel /= kernel.sum(axis=1, keepdims=True)
    rows = np.clip(np.rint(np.rint(255 - ink * 255 / 16) @ kernel.T), 0, 255)
    expected = np.clip(np.rint(kernel @ rows), 0, 255)

    with Image.open(digits / "train/0/0000.png") as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (64, 64))
        np.testing.assert_array_equal(np.asarray(picture), expected)


def test_existing_pictures_are_left_alone(digits: Path, tmp_path: Path) -> None:
    """A second call changes no file, and a file manager's hidden file does no harm."""
    shutil.copytree(digits, tmp_path / "digits")
    (tmp_path / "digits/train/.hidden").write_text("window position")
    before = snapshot(tmp_path)

    write_images(tmp_path / "digits")

    assert snapshot(tmp_path) == before


def test_partial_folder_is_completed(digits: Path, tmp_path: Path) -> None:
    """Missing, truncated and empty files are restored, and no other files remain."""
    folder = shutil.copytree(digits, tmp_path / "digits")
    (folder / "train/0/0000.png").unlink()
    (folder / "held_out/6/0006.png").write_bytes((folder / "held_out/6/0006.png").read_bytes()[:100])
    (folder / "calibration/5/0005.png").write_bytes(b"")

    write_images(folder)

    assert {name: file for name, (file, _) in snapshot(folder).items()} == render_digits()
    assert [path.name for path in tmp_path.iterdir()] == ["digits"]


def test_foreign_files_are_never_deleted(tmp_path: Path) -> None:
    """A folder with other files is refused and does not change."""
    folder = tmp_path / "photos"
    (folder / "train").mkdir(parents=True)
    (folder / "train/cat.jpg").write_bytes(b"cat")

    with pytest.raises(DataError) as caught:
        write_images(folder)

    assert str(caught.value) == (
        f"{folder}/train/cat.jpg: is not a picture of the digits; move it or choose another folder"
    )
    assert [path.name for path in folder.rglob("*")] == ["train", "cat.jpg"]


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A file with the folder's name is an error that names the path, and is not removed."""
    (tmp_path / "digits").write_text("mine")

    with pytest.raises(DataError) as caught:
        write_images(tmp_path / "digits")

    folder = re.escape(f"{tmp_path}/digits")
    assert re.fullmatch(
        rf"{folder}: cannot write the digits' pictures \(\[Errno 20\] Not a directory: '.*' -> '{folder}'\); "
        "choose another folder",
        str(caught.value),
    )
    assert (tmp_path / "digits").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["digits"]


def test_sam_takes_the_gradient_at_the_worst_point_nearby() -> None:
    """With 3a^2/2 + b^2 at (1, 2): g = (3, 4), |g| = 5, so rho 0.5 moves to (1.3, 2.4), where the gradient is known."""
    weights = {"a": tf.Variable(1.0), "b": tf.Variable([2.0])}

    value, gradients = training.sam_gradients(
        lambda at: 1.5 * at["a"] ** 2 + tf.reduce_sum(at["b"] ** 2), weights, rho=0.5
    )

    assert value.numpy() == 5.5
    np.testing.assert_allclose(gradients["a"].numpy(), 3 * 1.3, rtol=1e-6)
    np.testing.assert_allclose(gradients["b"].numpy(), [2 * 2.4], rtol=1e-6)
    assert (weights["a"].numpy(), weights["b"].numpy().tolist()) == (1.0, [2.0])


def test_sam_stays_at_a_flat_point() -> None:
    """If the gradient is zero, the result is zero and not NaN."""
    _, gradients = training.sam_gradients(lambda at: at["a"] ** 2, {"a": tf.Variable(0.0)}, rho=0.5)

    assert gradients["a"].numpy() == 0


def test_redrawn_pictures_are_inputs_of_the_network(digits: Path) -> None:
    """Redrawn pictures are in [-1, 1], the same for the same seed, and different for another."""
    inks = tuple(map(tf.constant, read_inks(training.labelled_files(digits / "train")[0][:16])))

    first, again, other = (redraw(inks, 224, tf.constant(seed)).numpy() for seed in ([0, 1], [0, 1], [0, 2]))

    assert (first.shape, first.dtype) == ((16, 224, 224, 3), np.float32)
    assert first.min() >= -1
    assert first.max() <= 1
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_training_is_reproducible(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same pictures and recipe give the same file, byte for byte, and every array in it has moved.

    A smaller network stands for the bundled one, which takes a minute to compile.
    """
    small = replace(training.CONFIG, image_size=64, num_blocks=1, hidden_dim=16, channels_mlp_dim=24)
    monkeypatch.setattr(training, "CONFIG", small)
    paths, labels = training.labelled_files(digits / "train")
    recipe = training.Recipe(epochs=2, warmup_epochs=1, batch_size=4)
    for name in ("first.npz", "second.npz"):
        save_npz(training.fit(paths[:8], labels[:8], recipe), tmp_path / name)

    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.npz", "second.npz"]
    with np.load(tmp_path / "first.npz") as trained:
        start = training.initial_arrays(recipe.seed)
        assert list(trained) == list(small.shapes())
        assert [key for key in start if np.array_equal(trained[key], start[key])] == []


def test_committed_weights(weights: MixerWeights) -> None:
    """The committed file is small and holds the stated network as float32, in the published key layout."""
    with np.load(WEIGHTS) as arrays:
        assert list(arrays) == list(training.CONFIG.shapes())
        assert {arrays[key].dtype for key in arrays} == {np.dtype(np.float32)}
    assert WEIGHTS.stat().st_size < 6_000_000
    assert weights.config == training.CONFIG
    assert weights.parameter_count == 949_326


def test_held_out_top1(digits: Path, weights: MixerWeights) -> None:
    """The network gets as many held-out pictures right as the training's docstring states."""
    paths, labels = training.labelled_files(digits / "held_out")
    correct = int(np.sum(training.classify(weights, paths) == labels))

    assert len(paths) == 815
    assert correct == HELD_OUT_CORRECT
    assert f"{correct} of 815" in (training.__doc__ or "")


def test_drawn_seven(weights: MixerWeights) -> None:
    """A seven drawn with a pen on tinted paper, not from the data set, is recognised with confidence."""
    spec = Preprocessing().spec(weights.config.image_size)
    image = normalize(load_pixels(DATA / "drawn_seven.png", spec), spec)[np.newaxis]
    probabilities = tf.nn.softmax(mixer(weights.config, weights.arrays, image))[0].numpy()

    assert probabilities.argmax() == 7
    assert probabilities[7] > 0.8
