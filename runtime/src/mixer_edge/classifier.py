"""From a picture to its labels."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixer_edge.bundle import Bundle
from mixer_edge.errors import BundleError, InterpreterError
from mixer_edge.interpreter import Interpreter, resolve_backend
from mixer_edge.metrics import softmax, top_k
from mixer_edge.preprocess import ImageSource, load_pixels, normalize
from mixer_edge.tensors import dequantize, quantize


@dataclass(frozen=True, kw_only=True)
class Category:
    """One class of an answer: its index, its label and its softmax probability in [0, 1]."""

    index: int
    label: str
    probability: float


class Classifier:
    """One variant of a bundle in one interpreter. Use one per thread: an interpreter runs one picture at a time."""

    def __init__(self, bundle: Bundle, variant: str, *, backend: str = "auto", threads: int | None = None) -> None:
        """Load the variant's file, checked against the manifest; see ``load`` for the arguments and errors."""
        self.bundle, self.variant = bundle, variant
        spec = bundle.manifest.variant(variant)
        backend = resolve_backend(backend)
        if reason := spec.refusal(backend):  # before the file is loaded: it may crash there, or give wrong numbers
            others = [other.name for other in bundle.manifest.variants if not other.refusal(backend)]
            raise InterpreterError(
                f"{bundle.folder / spec.file.name}: not for {backend}: {reason}; choose {', '.join(others)}"
            )
        self.interpreter = Interpreter(bundle.model_path(variant), backend=backend, threads=threads)
        if (self.interpreter.input.shape, self.interpreter.input.dtype) != (spec.input.shape, spec.input.dtype):
            raise BundleError(f"{bundle.folder / spec.file.name}: its input is not the manifest's; export it again")
        every_pixel = np.arange(256, dtype=np.uint8)
        self._table = quantize(normalize(every_pixel, bundle.manifest.preprocess_of(variant)), self.interpreter.input)

    @classmethod
    def load(
        cls,
        bundle: str | os.PathLike[str],
        variant: str = "int8",
        *,
        backend: str = "auto",
        threads: int | None = None,
    ) -> Classifier:
        """Return a classifier for the bundle in a folder.

        Args:
            bundle: folder written by mixer-edge-export.
            variant: one of the bundle's, e.g. ``int8``.
            backend: ``ai-edge-litert``, ``tflite-runtime``, or ``auto`` for the one installed.
            threads: number of threads of the interpreter; None leaves it to the interpreter.

        Raises:
            BundleError: the bundle is missing or damaged, or has no such variant.
            InterpreterError: no interpreter here can run the file.
        """
        return cls(Bundle.open(bundle), variant, backend=backend, threads=threads)

    def tensor(self, image: ImageSource) -> NDArray[np.generic]:
        """Return the network's input for a picture, ``[1, height, width, 3]`` in the file's dtype."""
        return self.tensor_of_pixels(load_pixels(image, self.bundle.manifest.preprocess))

    def tensor_of_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.generic]:
        """Return the network's input for ``[height, width, 3]`` uint8 pixels of the specification's size."""
        return self._table[pixels][np.newaxis]

    def output(self, tensor: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return the logits ``[classes]``, or the features of an embedding model, as float32."""
        return dequantize(self.interpreter.invoke(tensor)[0], self.interpreter.output)

    def latency_ms(self, runs: int) -> float:
        """Return the median time in milliseconds of ``runs`` inferences of a mid-grey picture, after two to warm up."""
        tensor = np.broadcast_to(self._table[np.uint8(128)], self.interpreter.input.shape)
        seconds = []
        for _ in range(runs + 2):
            start = time.perf_counter()
            self.interpreter.invoke(tensor)
            seconds.append(time.perf_counter() - start)
        return float(np.median(seconds[2:])) * 1000

    def classify(self, image: ImageSource, top_k: int = 5) -> list[Category]:
        """Return the ``top_k`` most probable classes, best first.

        Args:
            image: a path, the bytes of an image file, a binary file object, a PIL image or ``[H, W, 3]`` uint8 pixels.
            top_k: how many; at most the number of classes come back.

        Raises:
            ImageError: the picture cannot be read.
            BundleError: the bundle's model is a feature extractor.
        """
        if self.bundle.manifest.task != "classification":
            raise BundleError(f"{self.bundle.folder}: a feature extractor has no classes to choose from")
        return categories(self.bundle, self.output(self.tensor(image)), top_k)


def categories(bundle: Bundle, logits: NDArray[np.float32], k: int) -> list[Category]:
    """Return the ``k`` best classes of ``[classes]`` logits, best first."""
    probabilities = softmax(logits)
    return [
        Category(index=int(index), label=bundle.label(int(index)), probability=float(probabilities[index]))
        for index in top_k(logits, k)
    ]
