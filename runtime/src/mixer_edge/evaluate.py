"""Every variant on every picture: the one evaluation, for the workstation and for the board."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.classifier import Classifier
from mixer_edge.errors import DataError, ImageError
from mixer_edge.preprocess import load_pixels
from mixer_edge.progress import progress


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Outputs of several variants for the same pictures, in the same order."""

    paths: tuple[Path, ...]
    """Pictures that could be read, n of them."""
    digests: tuple[str, ...]
    """The sha256 of each one's pixels at the network's size: the same picture has the same under any name."""
    unreadable: tuple[str, ...]
    """One line for each picture that could not: its path and the reason."""
    outputs: Mapping[str, NDArray[np.float32]]
    """Variant -> ``[n, classes]`` float32 logits."""
    latency_ms: Mapping[str, float]
    """Variant -> median time of one inference, without decoding."""

    def predictions(self, variant: str) -> NDArray[np.int64]:
        """Return the most probable class of every picture, ``[n]`` int64."""
        return self.outputs[variant].argmax(axis=1)


def evaluate(classifiers: Mapping[str, Classifier], paths: Sequence[Path]) -> Evaluation:
    """Return the outputs of all classifiers, which share one bundle; each picture is decoded once.

    Raises:
        DataError: not one of the pictures could be read.
    """
    spec = next(iter(classifiers.values())).bundle.manifest.preprocess
    read: list[Path] = []
    digests: list[str] = []
    unreadable: list[str] = []
    outputs: dict[str, list[NDArray[np.float32]]] = {name: [] for name in classifiers}
    seconds: dict[str, list[float]] = {name: [] for name in classifiers}
    for path in progress(paths, "evaluating"):
        try:
            pixels = load_pixels(path, spec)
        except ImageError as error:
            unreadable.append(str(error))
            continue
        read.append(path)
        digests.append(hashlib.sha256(pixels.tobytes()).hexdigest())
        for name, classifier in classifiers.items():
            tensor = classifier.tensor_of_pixels(pixels)
            start = time.perf_counter()
            output = classifier.output(tensor)
            seconds[name].append(time.perf_counter() - start)
            outputs[name].append(output)
    if not read:
        raise DataError(f"{unreadable[0]}; nor can any other of the {len(paths)} pictures")
    return Evaluation(
        paths=tuple(read),
        digests=tuple(digests),
        unreadable=tuple(unreadable),
        outputs={name: np.stack(rows) for name, rows in outputs.items()},
        latency_ms={name: float(np.median(times)) * 1000 for name, times in seconds.items()},
    )
