"""From pictures to taught classes, with a classifier that computes features."""

from __future__ import annotations

import logging
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mixer_edge.classifier import Classifier
from mixer_edge.decode import file_of
from mixer_edge.errors import DataError, ImageError, ModelError
from mixer_edge.kept.files import PictureFiles
from mixer_edge.preprocess import load_pixels, pixels_sha256
from mixer_edge.progress import progress
from mixer_edge.service import starting
from mixer_edge.teach.folder import Extractor, taught_folder
from mixer_edge.teach.names import check_name
from mixer_edge.teach.state import (
    Lesson,
    Picture,
    Taught,
    add,
    forget_class,
    forget_picture,
    read_taught,
    replace_features,
    same_features,
)

log = logging.getLogger(__name__)

CHUNK, CHUNK_BYTES = 32, 32 << 20
"""Pictures, and bytes of their files, that are taught in one step at most."""


Infer = Callable[[NDArray[np.generic]], NDArray[np.float32]]


def teach(
    classifier: Classifier,
    label: str,
    sources: Iterable[tuple[str, Path | bytes]],
    *,
    times: Mapping[str, str | None] = MappingProxyType({}),
    infer: Infer | None = None,
) -> Iterator[Lesson | str]:
    """Teach pictures of a class; yield what became of them, and a line for each that cannot be read.

    What is yielded is on the disk. Pictures are taught in steps, so that little is lost at a stop.

    Args:
        classifier: a loaded feature extractor.
        label: the class.
        sources: names of pictures, and their paths or contents.
        times: when pictures were seen, by name, if it is known.
        infer: replaces ``Classifier.network``, where others share the interpreter.

    Raises:
        BundleError: the bundle has classes of its own.
        DataError: the class cannot have this name, or nothing can be written.
    """
    extractor, label = Extractor.of(classifier.loaded, classifier.variant), check_name(label)
    refresh(classifier, extractor, infer=infer)
    chunk: list[Picture] = []
    for name, source in sources:
        try:
            chunk.append(_read(classifier, name, source, times.get(name), infer))
        except ImageError as error:
            yield str(error)
        if len(chunk) == CHUNK or sum(len(picture.content) for picture in chunk) > CHUNK_BYTES:
            yield add(extractor, label, chunk)
            chunk = []
    if chunk:
        yield add(extractor, label, chunk)


def refresh(classifier: Classifier, extractor: Extractor, *, infer: Infer | None = None) -> Taught | None:
    """Return what was taught, with features of this classifier's file: of another one, they are computed again.

    Raises:
        DataError: a kept picture cannot be read, or nothing can be written.
    """
    taught = read_taught(extractor.folder)
    if taught is None or same_features(taught.extractor, extractor):
        return taught
    count = sum(taught.counts.values())
    log.info(
        "%d taught pictures have features of another file (%s of %s); computing those of %s of %s",
        count, taught.extractor.variant, taught.extractor.name, extractor.variant, extractor.name,
    )  # fmt: skip
    replace_features(
        extractor,
        lambda paths: [_kept(classifier, path, infer) for path in progress(paths, "computing features")],
    )
    return read_taught(extractor.folder)


def use_taught(classifier: Classifier, *, infer: Infer | None = None) -> bool:
    """Let a feature extractor answer with the classes that are taught now; return whether there are two of them.

    With fewer, it gives its features.

    Raises:
        BundleError: the bundle has classes of its own.
        DataError: what was taught cannot be read or written.
    """
    taught = refresh(classifier, Extractor.of(classifier.loaded, classifier.variant), infer=infer)
    head = None if taught is None else taught.head
    classifier.use_head(head)
    return head is not None


def what_to_teach(classifier: Classifier) -> str:
    """Return why a feature extractor has no answers yet, and what to do."""
    bundle = classifier.loaded
    extractor = Extractor.of(bundle, classifier.variant)
    taught = read_taught(extractor.folder)
    found = f"{len(taught.counts)} class is taught" if taught else "no class is taught"
    reason = (
        f"{bundle.folder}: it computes features, and {found}, expected 2; teach with: mixer-edge teach {bundle.folder} "
        "CLASS PICTURE..."
    )
    return reason if taught else reason + _elsewhere(bundle.folder, extractor)


def _elsewhere(bundle: Path, extractor: Extractor) -> str:
    """Return what was taught on other extractors, if there is something, and how to move it."""
    others = [folder for folder in sorted(taught_folder().glob("*")) if folder != extractor.folder]
    found = []
    for folder in others:
        with suppress(DataError):  # this is only a hint
            if (taught := read_taught(folder)) is not None:
                found.append((folder, taught))
    if not found:
        return ""
    folder, taught = max(found, key=lambda item: sum(item[1].counts.values()))
    return (
        f"; {sum(taught.counts.values())} pictures of {len(taught.counts)} classes were taught on another extractor, "
        f"{taught.extractor.name}, take them with: mixer-edge teach {bundle} --from {folder}"
    )


def _read(classifier: Classifier, name: str, source: Path | bytes, time: str | None, infer: Infer | None) -> Picture:
    digest, features = _features(classifier, source, name, classifier.max_pixels, infer)
    return Picture(content=file_of(source), name=name, digest=digest, features=features, time=time)


def _kept(classifier: Classifier, path: Path, infer: Infer | None) -> tuple[str, NDArray[np.float32]]:
    starting()  # a service: for many pictures it takes minutes
    try:
        return _features(classifier, path, str(path), sys.maxsize, infer)  # teach may allow larger ones than serve
    except ImageError as error:
        bundle = classifier.bundle.folder
        raise DataError(f"{error}; it was taught, forget it with: mixer-edge forget {bundle} {path}") from None


def _features(
    classifier: Classifier, source: Path | bytes, name: str, max_pixels: int, infer: Infer | None
) -> tuple[str, NDArray[np.float32]]:
    pixels = load_pixels(source, classifier.bundle.manifest.preprocess, max_pixels=max_pixels)
    features = (infer or classifier.network)(classifier.tensor_of_pixels(pixels))
    if not np.isfinite(features).all():
        raise ModelError(f"the feature extractor gives NaN or infinity for {name}; use another variant")
    return pixels_sha256(pixels), features


def forget(folder: Path, what: str) -> int:
    """Forget a class or a picture, and return how many pictures there were; 0 if there is none.

    Args:
        folder: of what is taught.
        what: the name of a class; or the path of a picture, by its pixels or, if it is a kept file, by its name.

    Raises:
        DataError: it is both a class and a picture, or nothing can be written.
        ImageError: the picture cannot be read.
    """
    taught, path = read_taught(folder), Path(what)
    if taught is None:
        return 0
    name = unicodedata.normalize("NFC", what)
    if name in taught.counts:
        if is_file(what):
            raise DataError(f"{what}: a class and a picture; expected ./{what} for the picture, or another folder")
        return forget_class(folder, name)
    if path.resolve().parent == PictureFiles(folder).pictures.resolve():  # it may be damaged, or be gone
        return forget_picture(folder, file=path.name)
    if not is_file(what):
        return 0
    return forget_picture(folder, digest=pixels_sha256(load_pixels(path, taught.extractor.preprocess)))


def is_file(what: str) -> bool:
    """Return whether this is the path of a file; a class may have a longer name than a file."""
    with suppress(OSError):
        return Path(what).is_file()
    return False
