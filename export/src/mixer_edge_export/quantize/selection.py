"""Pictures on which candidate files are compared with the float32 file and, if there are labels, with the truth."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.dataset import open_dataset, spread
from mixer_edge.errors import DataError, ImageError
from mixer_edge.interpreter import Interpreter
from mixer_edge.manifest import Measure, PreprocessSpec
from mixer_edge.preprocess import load_pixels, normalize, pixels_sha256
from mixer_edge.progress import progress
from mixer_edge.stopwatch import times_ms
from mixer_edge.tensors import dequantize, quantize
from mixer_edge_export.calibration.load import choose
from mixer_edge_export.quantize.apply import LOSSLESS_OFFSET
from mixer_edge_export.quantize.variants import Variant

SAMPLES = 1000
"""Largest number of pictures on which a bound is checked."""


@dataclass(frozen=True, kw_only=True)
class SelectionSet:
    """n pictures of the network's size, ``[height, width, 3]`` uint8."""

    pixels: tuple[NDArray[np.uint8], ...]
    truth: NDArray[np.int64] | None
    """The true classes, ``[n]``; None if the pictures are not labelled."""
    spec: PreprocessSpec

    @property
    def measure(self) -> Measure:
        """``top-1`` with labels, else ``agreement`` with the reference."""
        return "agreement" if self.truth is None else "top-1"

    def digests(self) -> tuple[str, ...]:
        """Return the sha256 of each picture's pixels."""
        return tuple(map(pixels_sha256, self.pixels))

    def head(self, count: int) -> SelectionSet:
        """Return at most ``count`` of the pictures, spread evenly."""
        chosen = spread(len(self.pixels), count)
        truth = None if self.truth is None else self.truth[chosen]
        return SelectionSet(pixels=tuple(self.pixels[index] for index in chosen), truth=truth, spec=self.spec)

    def with_input_of(self, variant: Variant) -> SelectionSet:
        """Return the same pictures for files of a variant: a calibrated one has its own offset."""
        return replace(self, spec=replace(self.spec, offset=LOSSLESS_OFFSET)) if variant.calibrated else self

    def outputs(self, model: bytes) -> NDArray[np.float32]:
        """Return the outputs of a TFLite file, ``[n, classes]``."""
        interpreter = _load(model)
        return np.stack([dequantize(interpreter.invoke(t)[0], interpreter.output) for t in self._tensors(interpreter)])

    def latency_ms(self, model: bytes, runs: int = 10) -> float:
        """Return the median time in milliseconds of one inference of the first picture, one thread."""
        interpreter = _load(model)
        tensor = next(self._tensors(interpreter))
        return float(np.median(times_ms(lambda: interpreter.invoke(tensor), runs)))

    def _tensors(self, interpreter: Interpreter) -> Iterator[NDArray[np.generic]]:
        for pixels in self.pixels:
            yield quantize(normalize(pixels, self.spec), interpreter.input)[np.newaxis]

    def correct(self, outputs: NDArray[np.float32]) -> int | None:
        """Return the number of correct predictions; None if the pictures are not labelled."""
        return None if self.truth is None else int((outputs.argmax(axis=1) == self.truth).sum())

    def drop(self, outputs: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
        """Return the drop in points: of top-1 if there are labels, else of agreement with the reference."""
        expected, predicted = reference.argmax(axis=1), outputs.argmax(axis=1)
        if self.truth is None:
            return 100 * float(np.mean(predicted != expected))
        return 100 * float(np.mean(expected == self.truth) - np.mean(predicted == self.truth))


def _load(model: bytes) -> Interpreter:
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        file.write(model)
        file.flush()
        return Interpreter(Path(file.name), backend="ai-edge-litert")


def changed(outputs: NDArray[np.float32], reference: NDArray[np.float32]) -> int:
    """Return the number of predictions that differ from the reference's."""
    return int((outputs.argmax(axis=1) != reference.argmax(axis=1)).sum())


def snr_db(outputs: NDArray[np.float32], reference: NDArray[np.float32]) -> float | None:
    """Return ``10 log10(sum reference² / sum (outputs - reference)²)``; None if they are equal."""
    noise = np.square(outputs.astype(np.float64) - reference).sum()
    return float(10 * np.log10(np.square(reference.astype(np.float64)).sum() / noise)) if noise else None


def load_selection(folder: Path, spec: PreprocessSpec, labels: Sequence[str], samples: int = SAMPLES) -> SelectionSet:
    """Return at most ``samples`` pictures of a folder, spread over its classes as evenly as possible.

    Args:
        folder: in a layout of ``mixer_edge.dataset``.
        spec: how a picture becomes the network's input.
        labels: the model's labels; without them the pictures are unlabelled.
        samples: largest number of pictures.

    Raises:
        DataError: there are no pictures, a class is unknown, or a picture cannot be read.
    """
    dataset = open_dataset(folder, labels)
    names = [dataset.name(number) for number in range(len(dataset.images))]
    chosen = choose([str(image.index) for image in dataset.images], names, samples, seed=0)
    images = [dataset.images[number] for number in chosen]
    try:
        pixels = tuple(load_pixels(image.path, spec) for image in progress(images, "reading pictures"))
    except ImageError as error:
        raise DataError(f"{error}; remove it from {folder}") from None
    truth = np.array([image.index for image in images]) if dataset.labelled else None
    return SelectionSet(pixels=pixels, truth=truth, spec=spec)
