"""Run every variant on every picture; the workstation and the board use this same code.

The record of a picture has a small fixed size: 50,000 pictures of 1000 classes need about 30 MB. It holds the digest of
the pixels and, for each variant, the best answers, whether the picture was refused as none of the classes, and the
distance of the logits from the reference's. A record depends only on the picture and the files, so neither the order
nor the number of processes matters.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.bundle import Bundle
from mixer_edge.class_names import NONE, ClassNames
from mixer_edge.classifier import Classifier, is_none
from mixer_edge.dataset import Dataset
from mixer_edge.errors import DataError, ImageError, ModelError
from mixer_edge.interpreter import resolve_backend
from mixer_edge.journal import Journal, default_journal
from mixer_edge.metrics import in_top_k, kl_divergence, largest_difference, softmax, top_k
from mixer_edge.preprocess import load_pixels, pixels_sha256
from mixer_edge.progress import progress
from mixer_edge.workers import default_workers, map_here_first

log = logging.getLogger(__name__)

REFERENCE = "float32"
SOURCE = "source"
"""Name of the reference that is not a file of the bundle: the source model, run by TensorFlow."""
ANSWERS = 5


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to run on every picture; the first of ``names`` is the reference."""

    bundle: Path
    names: tuple[str, ...]
    backend: str = "auto"
    source_outputs: Path | None = None
    """.npy file ``[pictures, classes]`` float32 with the source's logits, if the reference is the source."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The answers of several variants for the same pictures, in the order of the dataset."""

    dataset: Dataset
    names: tuple[str, ...]
    """The reference, then the others."""
    records: NDArray[np.void]
    """``[n]``, one for each picture that could be read; see ``record_dtype``."""
    unreadable: tuple[str, ...]
    """One line for each picture that could not be read: its path and the reason."""
    refuses: bool
    """Whether the bundle has a threshold below which a picture is refused as none of the classes."""
    none_class: int | None
    """The class labelled ``none``, if there is one."""

    @property
    def reference(self) -> str:
        """The name that the others are compared with."""
        return self.names[0]

    def truth(self) -> NDArray[np.int64] | None:
        """Return the true class of every picture, ``[n]`` int64, or None if they are not labelled."""
        if not self.dataset.labelled:
            return None
        return np.array([self.dataset.images[number].index for number in self.records["picture"]], np.int64)

    def top(self, name: str) -> NDArray[np.int32]:
        """Return the best classes of every picture, ``[n, 5]`` int32 (fewer if there are fewer classes)."""
        return self.records[name]["classes"]

    def predictions(self, name: str) -> NDArray[np.int64]:
        """Return the most probable class of every picture, ``[n]`` int64."""
        return self.top(name)[:, 0].astype(np.int64)

    def right(self, name: str, k: int = 1) -> NDArray[np.bool_]:
        """Return which pictures have their true class among the ``k`` nearest, ``[n]`` bool; all False without labels.

        Refused pictures count like all others, but a refused picture of the class ``none`` is always right.
        """
        truth = self.truth()
        if truth is None:
            return np.zeros(len(self.records), np.bool_)
        right = in_top_k(self.top(name), truth, k)
        if self.none_class is not None:
            right |= self.records[name]["refused"] & (truth == self.none_class)
        return right

    def data_fingerprint(self) -> str:
        """Return the fingerprint of the pictures that could be read."""
        return data_fingerprint([record["pixels"].tobytes().hex() for record in self.records], self.truth())


def data_fingerprint(digests: Sequence[str], truth: NDArray[np.int64] | None) -> str:
    """Return a sha256 over the pictures' pixels and classes; paths and order do not matter.

    Args:
        digests: sha256 of each picture's pixels, in hexadecimal.
        truth: ``[n]`` true classes; None if they are not known.
    """
    lines = sorted(f"{digest} {'' if truth is None else truth[row]}\n" for row, digest in enumerate(digests))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def record_dtype(names: Sequence[str], classes: int) -> np.dtype[np.void]:
    """Return the layout of a picture's record: its number in the dataset, its pixels' sha256, each variant's answer."""
    answers = min(ANSWERS, classes)
    answer = [
        ("classes", "<i4", (answers,)),
        ("probabilities", "<f4", (answers,)),
        ("kl_divergence", "<f8"),
        ("largest_difference", "<f4"),
        ("refused", "?"),
    ]
    return np.dtype([("picture", "<i4"), ("pixels", "V32"), *((name, answer) for name in names)])


class Evaluator:
    """Computes the records of pictures; each process has one."""

    def __init__(self, task: Task) -> None:
        """Load the files of the task, each with one thread."""
        self.bundle = bundle = Bundle.open(task.bundle)
        self.classifiers = {
            name: Classifier(bundle, name, backend=task.backend, threads=1) for name in task.names if name != SOURCE
        }
        self.source = None if task.source_outputs is None else np.load(task.source_outputs, mmap_mode="r")
        self.dtype = record_dtype(task.names, _classes(bundle))

    def __call__(self, item: tuple[int, Path]) -> NDArray[np.void] | str:
        """Return the record of a picture, ``[1]``, or why it cannot be read.

        Raises:
            ModelError: a logit is NaN or infinite.
        """
        number, path = item
        try:
            pixels = load_pixels(path, self.bundle.manifest.preprocess)
        except ImageError as error:
            return str(error)
        record = np.zeros(1, self.dtype)
        record["picture"], record["pixels"] = number, bytes.fromhex(pixels_sha256(pixels))
        reference: NDArray[np.float32] | None = None
        for name in self.dtype.names[2:]:  # type: ignore[index]
            logits = self._logits(name, number, pixels)
            if not np.isfinite(logits).all():
                raise ModelError(f"{name}: gives NaN or infinity for {path}; do not use this variant")
            reference = logits if reference is None else reference
            best = top_k(logits, record[name]["classes"].shape[1])
            record[name]["classes"], record[name]["probabilities"] = best, softmax(logits)[best]
            record[name]["kl_divergence"] = kl_divergence(reference, logits)
            record[name]["largest_difference"] = largest_difference(reference, logits)
            record[name]["refused"] = is_none(self.bundle, logits)
        return record

    def _logits(self, name: str, number: int, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        if name == SOURCE and self.source is not None:
            return self.source[number]
        classifier = self.classifiers[name]
        return classifier.output(classifier.tensor_of_pixels(pixels))


def evaluate(
    task: Task, dataset: Dataset, *, workers: int | None = None, journal: Path | None = None, resume: bool = False
) -> Evaluation:
    """Return the answers of all variants of the task to all pictures.

    Args:
        task: the bundle's variants and the reference.
        dataset: the pictures.
        workers: number of processes; None for one per core, or fewer where memory is short.
        journal: file of finished records, if ``resume``; None for one in the user's cache.
        resume: whether to write a journal, and to continue an earlier run of the same evaluation from it.

    Raises:
        BundleError: the bundle or a variant cannot be used.
        DataError: no picture can be read, or the journal cannot be used.
        InterpreterError: no interpreter here can run a file.
    """
    bundle = Bundle.open(task.bundle)
    subject = {
        "journal": 2,
        "bundle": bundle.manifest.fingerprint(),
        "names": task.names,
        "pictures": dataset.listing(),
        "tools": {tool: version(tool) for tool in (resolve_backend(task.backend), "numpy", "pillow")},
    }
    path = (journal or default_journal(subject)) if resume else None
    with Journal(path, subject, record_dtype(task.names, _classes(bundle))) as finished:
        done = {int(record["picture"]): record for record in finished.records}
        if done:
            log.info("continuing: %d of %d pictures are already done", len(done), len(dataset.images))
        items = [(number, image.path) for number, image in enumerate(dataset.images) if number not in done]
        memory = 3 * sum(bundle.manifest.variant(name).file.size_bytes for name in task.names if name != SOURCE)
        unreadable = []
        count = workers or default_workers(memory + (200 << 20))
        results = map_here_first(functools.partial(Evaluator, task), items, count)
        for result in progress(results, "evaluating", len(items)):
            if isinstance(result, str):
                unreadable.append(result)
            else:
                finished.append(result)
                done[int(result["picture"][0])] = result[0]
    if not done:
        raise DataError(
            f"{dataset.folder}: none of {len(dataset.images)} pictures can be read, the first: {min(unreadable)}"
        )
    return Evaluation(
        dataset=dataset,
        names=task.names,
        records=np.array([done[number] for number in sorted(done)], record_dtype(task.names, _classes(bundle))),
        unreadable=tuple(sorted(unreadable)),
        refuses=bundle.manifest.unknown is not None,
        none_class=ClassNames(bundle.labels).find(NONE),
    )


def _classes(bundle: Bundle) -> int:
    classes = bundle.manifest.architecture.get("num_classes")
    if classes is None:
        raise DataError(f"{bundle.folder}: a feature extractor has no classes to evaluate")
    return classes
