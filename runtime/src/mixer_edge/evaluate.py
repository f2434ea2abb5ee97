"""Run every variant on every picture; the workstation and the board use this same code.

The record of a picture has a small fixed size: 50,000 pictures of 1000 classes need about 30 MB. It holds the digest of
the pixels and, for each variant, the best answers, whether the picture was refused as none of the classes, and the
distance of the logits from the reference's. A record depends only on the picture and the files, so neither the order
nor the number of processes matters.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.bundle import Bundle
from mixer_edge.class_names import NONE, ClassNames
from mixer_edge.classifier import Classifier, is_none
from mixer_edge.dataset import Dataset
from mixer_edge.engine import Engine, Item, Processes, Records, size_of
from mixer_edge.errors import BundleError, DataError, ImageError, ModelError
from mixer_edge.interpreter import resolve_backend
from mixer_edge.journal import Journal, default_journal
from mixer_edge.manifest import MANIFEST_NAME
from mixer_edge.metrics import in_top_k, kl_divergence, largest_difference, softmax, top_k
from mixer_edge.preprocess import load_pixels, pixels_sha256
from mixer_edge.progress import progress
from mixer_edge.verify import verify
from mixer_edge.workers import default_workers

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

    @property
    def variants(self) -> tuple[str, ...]:
        """The names that are files of the bundle."""
        return tuple(name for name in self.names if name != SOURCE)

    @property
    def folder(self) -> Path:
        """The bundle's folder."""
        return self.bundle

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the bundle's files that an evaluation needs."""
        manifest = Bundle.open(self.bundle).manifest
        models = [manifest.variant(name).file.name for name in self.variants]
        return (MANIFEST_NAME, *([manifest.labels.name] if manifest.labels else []), manifest.golden.name, *models)

    def moved(self, folder: Path) -> Task:
        """Return the same task with a bundle in another folder."""
        return replace(self, bundle=folder, source_outputs=None)

    def prove(self) -> dict[str, str]:
        """Return how this machine computes each variant's golden vectors.

        Raises:
            BundleError: the bundle is damaged, or the outputs of a variant are not within its tolerance.
            InterpreterError: no interpreter here can run a file.
        """
        bundle, said = Bundle.open(self.bundle), {}
        for name in self.variants:
            found = verify(bundle, name, backend=self.backend, threads=1)
            if not found.passed:
                raise BundleError(f"{self.bundle}: {name} {found.difference}, on the golden vectors; do not use it")
            said[name] = "bit-equal" if found.bit_equal else f"{found.max_error!r} of the largest output away"
        return said

    def __call__(self) -> Evaluator:
        """Return what computes the records; each process has one."""
        return Evaluator(self)

    def items(self, dataset: Dataset) -> Iterator[Item]:
        """Yield the pictures, with the source's logits if it is the reference."""
        source = None if self.source_outputs is None else np.load(self.source_outputs, mmap_mode="r")
        for number, image in enumerate(dataset.images):
            yield Item(number=number, picture=image.path, logits=None if source is None else source[number])


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
        self.classifiers = {name: Classifier(bundle, name, backend=task.backend, threads=1) for name in task.variants}
        self.dtype = record_dtype(task.names, _classes(bundle))

    def __call__(self, item: Item) -> Records | str:
        """Return the record of a picture, ``[1]``, or why it cannot be read.

        Raises:
            ModelError: a logit is NaN or infinite.
        """
        try:
            pixels = load_pixels(item.picture, self.bundle.manifest.preprocess)
        except ImageError as error:
            return str(error)
        record = np.zeros(1, self.dtype)
        record["picture"], record["pixels"] = item.number, bytes.fromhex(pixels_sha256(pixels))
        reference: NDArray[np.float32] | None = None
        for name in self.dtype.names[2:]:  # type: ignore[index]
            logits = self._logits(name, item, pixels)
            if not np.isfinite(logits).all():
                raise ModelError(f"{name}: gives NaN or infinity for {item.picture}; do not use this variant")
            reference = logits if reference is None else reference
            best = top_k(logits, record[name]["classes"].shape[1])
            record[name]["classes"], record[name]["probabilities"] = best, softmax(logits)[best]
            record[name]["kl_divergence"] = kl_divergence(reference, logits)
            record[name]["largest_difference"] = largest_difference(reference, logits)
            record[name]["refused"] = is_none(self.bundle, logits)
        return record

    def _logits(self, name: str, item: Item, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        if name == SOURCE and item.logits is not None:
            return item.logits
        classifier = self.classifiers[name]
        return classifier.output(classifier.tensor_of_pixels(pixels))


def evaluate(
    task: Task,
    dataset: Dataset,
    *,
    workers: int | None = None,
    engine: Engine | None = None,
    journal: Path | None = None,
    resume: bool = False,
) -> Evaluation:
    """Return the answers of all variants of the task to all pictures.

    Args:
        task: the bundle's variants and the reference.
        dataset: the pictures.
        workers: number of processes; None for one per core, or fewer where memory is short.
        engine: what runs the task instead of processes of this machine.
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
    dtype = record_dtype(task.names, _classes(bundle))
    count = len(dataset.images)
    with Journal(path, subject, dtype) as finished:
        records, done = np.zeros(count, dtype), np.zeros(count, np.bool_)
        numbers = finished.records["picture"]
        records[numbers], done[numbers] = finished.records, True
        if before := int(done.sum()):
            log.info("continuing: %d of %d pictures are already done", before, count)
        items = [item for item in task.items(dataset) if not done[item.number]]
        memory = 3 * sum(bundle.manifest.variant(name).file.size_bytes for name in task.variants)
        unreadable = []
        engine = engine or Processes(count=workers or default_workers(memory + (200 << 20)))
        for result in progress(engine.map(task, items), "evaluating", len(items), size_of):
            if isinstance(result, str):
                unreadable.append(result)
            else:
                finished.append(result)
                records[result["picture"]], done[result["picture"]] = result, True
    if not done.any():
        raise DataError(f"{dataset.folder}: none of {count} pictures can be read, the first: {min(unreadable)}")
    return Evaluation(
        dataset=dataset,
        names=task.names,
        records=records[done],
        unreadable=tuple(sorted(unreadable)),
        refuses=bundle.manifest.unknown is not None,
        none_class=ClassNames(bundle.labels).find(NONE),
    )


def _classes(bundle: Bundle) -> int:
    classes = bundle.manifest.architecture.get("num_classes")
    if classes is None:
        raise DataError(f"{bundle.folder}: a feature extractor has no classes to evaluate")
    return classes
