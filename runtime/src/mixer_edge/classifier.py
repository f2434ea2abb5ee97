"""From a picture to its labels."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mixer_edge.board import usable_cpus
from mixer_edge.bundle import Bundle
from mixer_edge.decode import MAX_PIXELS, ImageSource
from mixer_edge.errors import BundleError, ImageError, InterpreterError
from mixer_edge.interpreter import Interpreter, resolve_backend
from mixer_edge.manifest import UnknownSpec
from mixer_edge.metrics import softmax, top_k, unknown_score
from mixer_edge.preprocess import load_pixels, normalize
from mixer_edge.stopwatch import times_ms
from mixer_edge.tensors import dequantize, quantize


@dataclass(frozen=True, kw_only=True)
class Category:
    """One class of an answer: its index, its label and its softmax probability in [0, 1]."""

    index: int
    label: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class Classification:
    """What ``mixer-edge classify --json`` and ``watch --json`` print for one picture."""

    image: str
    """As the user named it; ``-`` for standard input."""
    categories: tuple[Category, ...]
    """Best first."""
    none: bool
    """Whether it is none of the classes; the categories are then the nearest."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer for one picture: its categories, best first, or why ``classify_many`` could not read it."""

    image: ImageSource = field(compare=False)  # == of two arrays is an array
    categories: tuple[Category, ...]
    none: bool
    """Whether it is none of the classes; the categories are then the nearest. Never without a threshold."""
    error: ImageError | None
    outputs: NDArray[np.float32] | None = field(default=None, compare=False)
    """Of the network, ``[outputs]``: logits, or the features below taught classes. None if there is an error."""


@dataclass(frozen=True, kw_only=True)
class LinearHead:
    """Classes for the features of an extractor: the logits are ``features @ kernel + bias``."""

    labels: tuple[str, ...]
    kernel: NDArray[np.float64]
    """``[features, classes]``."""
    bias: NDArray[np.float64]
    """``[classes]``."""
    unknown: UnknownSpec | None
    """When a picture is none of the classes."""


@dataclass(frozen=True, kw_only=True)
class Answering:
    """What makes answers of a network's outputs; it is replaced as a whole, so its labels always fit its logits."""

    bundle: Bundle
    """With the classes of the head, if there is one."""
    head: LinearHead | None

    @property
    def classifies(self) -> bool:
        """Whether there are classes; without them the outputs are features, and there are no answers."""
        return self.bundle.manifest.task == "classification"

    def logits(self, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits ``[..., classes]``, or the features of an extractor without a head, as float32.

        Args:
            outputs: of the network, ``[..., outputs]`` float32.
        """
        if self.head is None:
            return outputs
        return (outputs.astype(np.float64) @ self.head.kernel + self.head.bias).astype(np.float32)


class Classifier:
    """One variant of a bundle in one interpreter.

    Threads can share one: they decode in parallel and take turns with the interpreter. To run networks in parallel,
    load one classifier per thread; each has its own copy of the weights in memory.
    """

    def __init__(
        self,
        bundle: Bundle,
        variant: str,
        *,
        backend: str = "auto",
        threads: int | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        """Load the variant's file and check it against the manifest; see ``load`` for the arguments and errors."""
        self.loaded, self.variant, self.max_pixels = bundle, variant, max_pixels
        self.answering = Answering(bundle=bundle, head=None)
        spec = bundle.manifest.variant(variant)
        backend = resolve_backend(backend)
        if reason := spec.refusal(backend):  # before the file is loaded: it may crash there, or give wrong numbers
            others = [other.name for other in bundle.manifest.variants if not other.refusal(backend)]
            raise InterpreterError(
                f"{bundle.folder / spec.file.name}: not for {backend}: {reason}; choose {', '.join(others)}"
            )
        self.interpreter = Interpreter(bundle.model_path(variant), backend=backend, threads=threads)
        if (self.interpreter.input.shape, self.interpreter.input.dtype) != (spec.input.shape, spec.input.dtype):
            raise BundleError(
                f"{bundle.folder / spec.file.name}: its input differs from the manifest's; export it again"
            )
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
        max_pixels: int = MAX_PIXELS,
    ) -> Classifier:
        """Return a classifier for the bundle in a folder.

        Args:
            bundle: folder written by mixer-edge-export.
            variant: one of the bundle's, e.g. ``int8``.
            backend: ``ai-edge-litert``, ``tflite-runtime``, or ``auto`` for the one installed.
            threads: number of threads of the interpreter; None is the interpreter's default, one. The commands use
                ``mixer_edge.threads.default_threads``.
            max_pixels: larger pictures are refused with an ``ImageError``.

        Raises:
            BundleError: the bundle is missing or damaged, or has no such variant.
            InterpreterError: no interpreter here can run the file.
        """
        return cls(Bundle.open(bundle), variant, backend=backend, threads=threads, max_pixels=max_pixels)

    def __enter__(self) -> Classifier:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the interpreter; the classifier cannot be used any more."""
        self.interpreter.close()

    @property
    def bundle(self) -> Bundle:
        """The bundle, with the classes of the head in use; ``loaded`` is the bundle as it was read."""
        return self.answering.bundle

    def use_head(self, head: LinearHead | None) -> None:
        """From now on answer with the classes of ``head``, None for features; other threads may answer meanwhile.

        Raises:
            BundleError: the bundle's model is a classifier.
        """
        _check_task(self.loaded, "embedding")
        bundle = self.loaded if head is None else self.loaded.with_classes(head.labels, head.unknown)
        self.answering = Answering(bundle=bundle, head=head)

    @property
    def outputs(self) -> int:
        """The number of values that ``output`` returns."""
        head = self.answering.head
        return self.interpreter.output.shape[-1] if head is None else len(head.labels)

    def tensor(self, image: ImageSource) -> NDArray[np.generic]:
        """Return the network's input for a picture, ``[1, height, width, 3]`` in the file's dtype."""
        return self.tensor_of_pixels(load_pixels(image, self.bundle.manifest.preprocess, max_pixels=self.max_pixels))

    def tensor_of_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.generic]:
        """Return the network's input for ``[height, width, 3]`` uint8 pixels of the specification's size."""
        return self._table[pixels][np.newaxis]

    def network(self, tensor: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return the network's own outputs as float32: logits ``[classes]``, or the features of an extractor."""
        return dequantize(self.interpreter.invoke(tensor)[0], self.interpreter.output)

    def output(self, tensor: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return the logits ``[classes]``, or the features of an extractor without a head, as float32."""
        return self.answering.logits(self.network(tensor))

    def latency_ms(self, runs: int) -> float:
        """Return the median time in milliseconds of ``runs`` inferences on a mid-grey picture, after two to warm up."""
        return float(np.median(self.latencies_ms(runs, warm_up=2)))

    def latencies_ms(self, runs: int, *, warm_up: int, seconds: float = math.inf) -> NDArray[np.float64]:
        """Return the time in milliseconds of each of ``runs`` inferences on a mid-grey picture, after ``warm_up``.

        There are fewer, but at least 3, if they take longer than ``seconds``.
        """
        tensor = np.broadcast_to(self._table[np.uint8(128)], self.interpreter.input.shape)
        return times_ms(lambda: self.interpreter.invoke(tensor), runs, warm_up=warm_up, seconds=seconds)

    def classify(self, image: ImageSource, top_k: int = 5) -> list[Category]:
        """Return the ``top_k`` most probable classes, best first, even if the picture is none of them: see ``answer``.

        Args:
            image: a path, the bytes of an image file, a binary file object, a PIL image or ``[H, W, 3]`` uint8 pixels.
            top_k: how many; a larger number than that of the classes returns all of them.

        Raises:
            ImageError: the picture cannot be read.
            BundleError: the bundle's model is a feature extractor.
        """
        return list(self.answer(image, top_k).categories)

    def answer(self, image: ImageSource, top_k: int = 5) -> Answer:
        """Return the classes as ``classify`` does, and whether the picture is none of them.

        Raises:
            ImageError: the picture cannot be read.
            BundleError: the bundle's model is a feature extractor.
        """
        _check_task(self.bundle, "classification")
        return self._answer(image, self.tensor(image), top_k)

    def classify_many(
        self, images: Iterable[ImageSource], top_k: int = 5, *, decoders: int | None = None
    ) -> Iterator[Answer]:
        """Return an answer for each picture, in order; other threads decode the next pictures meanwhile.

        Args:
            images: pictures as for ``classify``; the iterable is read a few pictures ahead, in the caller's thread.
            top_k: categories per picture.
            decoders: number of decoding threads; None is one per processor that this process may use. They wait for the
                network if they are ahead of it, so they need not leave a processor free for it.

        Raises:
            BundleError: the bundle's model is a feature extractor.
        """
        _check_task(self.bundle, "classification")
        return self._answers(images, top_k, decoders)

    def _answers(self, images: Iterable[ImageSource], top_k: int, decoders: int | None) -> Iterator[Answer]:
        workers = decoders or usable_cpus()
        waiting: deque[tuple[ImageSource, Future[NDArray[np.generic]]]] = deque()
        pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")

        def answer() -> Answer:
            image, tensor = waiting.popleft()
            try:
                return self._answer(image, tensor.result(), top_k)
            except ImageError as error:
                return Answer(image=image, categories=(), none=False, error=error)

        try:
            for image in images:
                waiting.append((image, pool.submit(self.tensor, image)))
                if len(waiting) > 2 * workers:
                    yield answer()
            while waiting:
                yield answer()
        finally:
            pool.shutdown(cancel_futures=True)

    def _answer(self, image: ImageSource, tensor: NDArray[np.generic], top_k: int) -> Answer:
        answering = self.answering
        outputs = self.network(tensor)
        logits = answering.logits(outputs)
        return Answer(
            image=image,
            categories=tuple(categories(answering.bundle, logits, top_k)),
            none=is_none(answering.bundle, logits),
            error=None,
            outputs=outputs,
        )

    def embed(self, image: ImageSource) -> NDArray[np.float32]:
        """Return the features of a picture, ``[hidden]`` float32; ``image`` is as for ``classify``.

        Raises:
            ImageError: the picture cannot be read.
            BundleError: the bundle's model is a classifier.
        """
        _check_task(self.bundle, "embedding")
        return self.output(self.tensor(image))


def categories(bundle: Bundle, logits: NDArray[np.float32], k: int) -> list[Category]:
    """Return the ``k`` best classes of ``[classes]`` logits, best first."""
    probabilities = softmax(logits)
    return [
        Category(index=int(index), label=bundle.label(int(index)), probability=float(probabilities[index]))
        for index in top_k(logits, k)
    ]


def is_none(bundle: Bundle, logits: NDArray[np.float32]) -> bool:
    """Return whether a picture with these ``[classes]`` logits is none of the classes; False without a threshold."""
    unknown = bundle.manifest.unknown
    return unknown is not None and bool(unknown_score(unknown.measure, logits) < unknown.threshold)


def _check_task(bundle: Bundle, task: str) -> None:
    if (found := bundle.manifest.task) != task:
        method = {"classification": "classify()", "embedding": "embed()"}
        raise BundleError(f"{bundle.folder}: made for {found}, not for {task}; use {method[found]}")
