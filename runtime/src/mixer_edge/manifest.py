"""The manifest: all facts about a model that the device needs to compute the same outputs as the workstation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from mixer_edge import strict_json
from mixer_edge.errors import BundleError
from mixer_edge.strict_json import UnknownValueError

SCHEMA_VERSION = 4
MANIFEST_NAME = "manifest.json"

ModelTask = Literal["classification", "embedding"]
"""``embedding``: a feature extractor."""
Geometry = Literal["squash", "resize-crop"]
"""``squash``: the whole picture is resized to (width, height), whatever its aspect ratio.

``resize-crop``: it is resized to ``shorter_side`` pixels on its shorter side, with its exact aspect ratio, and
(width, height) is cropped from its centre.
"""
Resample = Literal["bilinear", "bicubic"]
"""Pillow's filters."""
Decode = Literal["scaled", "exact"]
"""``scaled``: a JPEG file much larger than needed is decoded at 1/2, 1/4 or 1/8; ``exact``: never."""
SourceKind = Literal["bundled", "random", "npz", "saved_model", "hub", "kaggle", "trained"]
"""``trained``: a feature extractor with a head trained on the user's pictures."""
Weights = Literal["trained", "random"]
"""``random`` weights are useful for latency and size only."""
Judge = Literal["saved_model", "rebuilt graph"]
"""What every file was compared with: the source's own graph, or the rebuilt one if the source is only weights."""
Measure = Literal["top-1", "agreement"]
"""``top-1`` on labelled pictures, or ``agreement`` with float32's predictions."""
HeadKind = Literal["class means", "ridge", "logistic"]
TrainedHead = Literal["class means", "ridge", "logistic", "average"]
"""How the head of a trained model was computed; ``average``: of several heads' logits."""
UnknownMeasure = Literal["probability", "logit", "energy"]
"""The largest probability, the largest logit, or ``log(sum(exp(logits)))``."""
RuntimeStatus = Literal["ok", "refused", "unchecked"]
"""``refused``: do not use the file on this runtime; ``unchecked``: the workstation does not have this runtime."""

GEOMETRIES: tuple[Geometry, ...] = get_args(Geometry)
RESAMPLES: tuple[Resample, ...] = get_args(Resample)
DECODES: tuple[Decode, ...] = get_args(Decode)


@dataclass(frozen=True, kw_only=True)
class PreprocessSpec:
    """How a picture becomes the network's input; ``tensor = pixel / scale + offset`` with RGB pixels 0 to 255."""

    geometry: Geometry
    height: int
    width: int
    shorter_side: int | None
    resample: Resample
    antialias: bool
    """Whether the filter widens when the picture shrinks (Pillow does; ``tf.image.resize`` by default does not)."""
    decode: Decode
    background: tuple[int, ...]
    """RGB colour under transparent pixels."""
    scale: float
    offset: float


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """One tensor of a TFLite file; scale and zero_point are None for a float tensor."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True, kw_only=True)
class FileSpec:
    """The name of a file in the bundle, and the size and sha256 that it must have."""

    name: str
    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> FileSpec:
        """Return the name, size and sha256 of the file at ``path``."""
        return cls(name=path.name, size_bytes=path.stat().st_size, sha256=file_sha256(path))

    def check(self, folder: Path) -> Path:
        """Return the file's path in ``folder``, after checking its size and sha256.

        Raises:
            BundleError: the file is missing or damaged, or its name is not a plain file name.
        """
        path = folder / self.name
        if Path(self.name).name != self.name:
            raise BundleError(f"{path}: outside the bundle; export it again")
        if not path.is_file():
            raise BundleError(f"{path}: missing, but the manifest lists it; copy the bundle again")
        if path.stat().st_size != self.size_bytes or file_sha256(path) != self.sha256:
            raise BundleError(f"{path}: damaged, its sha256 is not the manifest's; copy the bundle again")
        return path


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """Where the weights came from."""

    kind: SourceKind
    location: str
    weights: Weights
    fingerprint: str
    sha256: str | None
    """Of the file that was read, or over all files of the SavedModel; None for a model without a file."""
    judge: Judge
    rebuilt_error: float
    """Largest difference of the rebuilt graph from the SavedModel on the golden pictures, over its largest output."""
    structure_error: float | None
    """The same with test weights in both graphs, which show every difference; None if nothing was rebuilt."""
    rounding: float | None
    """Standard deviation of the SavedModel's outputs by rounding, over its largest output; None if too small to matter.

    If it is not None, the files are compared with the rebuilt graph, computed in float64.
    """


@dataclass(frozen=True, kw_only=True)
class CalibrationSpec:
    """The pictures that activation ranges were measured on; ``fingerprint`` does not depend on their order."""

    kind: str
    """``folder`` or ``arrays`` (the user's), the bundled model's name (its own pictures) or ``generated``."""
    count: int
    found: int
    """How many pictures there were to choose from."""
    fingerprint: str
    warnings: tuple[str, ...]
    """Possible mistakes in the set, one sentence each."""
    file: FileSpec
    """The pictures' digests and the measured ranges, for the export's tools; not needed to run a model."""


@dataclass(frozen=True, kw_only=True)
class BoundSpec:
    """The allowed and the measured drop in accuracy of the int8 file, in percentage points."""

    max_drop: float
    measure: Measure
    count: int
    """Size of the selection set; do not evaluate on it."""
    fingerprint: str
    int8_drop: float
    """The drop of int8 with no layer in float."""
    drop: float
    int8_size_bytes: int
    """Size of int8 with no layer in float."""


@dataclass(frozen=True, kw_only=True)
class UnknownSpec:
    """When a picture is none of the classes: if the measure of its logits is below the threshold."""

    measure: UnknownMeasure
    threshold: float
    refused: float
    """Share of pictures of the classes that this threshold refuses, as estimated by cross-validation; in [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """How the head of a trained model was made; the source has the facts about the whole model."""

    extractor: str
    """Location of the feature extractor."""
    extractor_fingerprint: str
    head: TrainedHead
    """Its kind; ``average`` of several, whose weights are in the record of the training."""
    strength: float | None
    """Of the regularization; None for class means and an average."""
    temperature: float
    """The logits were divided by it, so that the probabilities are calibrated."""
    pictures: Mapping[str, int]
    """Class -> number of pictures trained on."""
    held_out: Mapping[str, int]
    """Class -> number of pictures held out: neither trained nor tuned on."""
    fingerprint: str
    """sha256 over the pixels and classes of the pictures trained on; ``held_out_fingerprint`` of those held out."""
    held_out_fingerprint: str
    seed: int
    """Of the split."""
    cross_validated: float
    """Accuracy on pictures trained on, each predicted by a head that did not see it or its group; in [0, 1]."""
    held_out_top1: float
    """Accuracy on the pictures held out, in [0, 1]."""
    file: FileSpec
    """Everything else about the training, for the report; not needed to run a model."""


@dataclass(frozen=True, kw_only=True)
class RuntimeSpec:
    """The result of running a file in one runtime on the workstation, in a separate process."""

    version: str
    status: RuntimeStatus
    reason: str | None
    """Why it is refused or unchecked."""
    max_error: float | None
    """Largest difference from the golden outputs, over the largest golden output; None if it did not run."""


@dataclass(frozen=True, kw_only=True)
class VariantSpec:
    """One TFLite file of the bundle."""

    name: str
    recipe: str
    kept_float: tuple[str, ...]
    """Layers kept in float for accuracy; named by their published key without the leaf."""
    file: FileSpec
    offset: float
    """Replaces the preprocessing's offset; it may differ so that an integer input is lossless."""
    input: TensorSpec
    output: TensorSpec
    half_precision: bool
    """Whether its float layers are computed in float16 on processors that can, for example on a Pi 5."""
    tolerance: float
    """Allowed difference from its golden outputs on another machine, as a part of the largest golden output."""
    runtimes: Mapping[str, RuntimeSpec]
    """Distribution name of a runtime, e.g. ``tflite-runtime`` -> the result of the file there."""

    def refusal(self, runtime: str) -> str | None:
        """Return why the file must not be used on a runtime, or None if it may be used."""
        found = self.runtimes.get(runtime)
        return found.reason if found is not None and found.status == "refused" else None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All facts of a bundle; ``to_bytes`` adds a fingerprint, and ``read`` checks it."""

    schema_version: int
    name: str
    task: ModelTask
    source: SourceSpec
    architecture: Mapping[str, int | None]
    preprocess: PreprocessSpec
    calibration: CalibrationSpec
    bound: BoundSpec | None
    training: TrainingSpec | None
    unknown: UnknownSpec | None
    """When the answer is "none of these"; None if one of the classes is always the answer."""
    labels: FileSpec | None
    golden: FileSpec
    variants: tuple[VariantSpec, ...]
    tools: Mapping[str, str]

    def to_bytes(self) -> bytes:
        """Return the file's content: canonical JSON, with the sha256 of all other fields as the last field."""
        facts = asdict(self)
        return strict_json.dumps(facts | {"fingerprint": _fingerprint(facts)})

    def fingerprint(self) -> str:
        """Return the sha256 that identifies this bundle: it covers every fact, and through them every file."""
        return _fingerprint(asdict(self))

    def variant(self, name: str) -> VariantSpec:
        """Return the variant called ``name``.

        Raises:
            BundleError: this bundle has no such variant; the message lists those it has.
        """
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise BundleError(f"no variant {name!r} in this bundle; it has {', '.join(v.name for v in self.variants)}")

    def files(self) -> tuple[FileSpec, ...]:
        """Return the files needed to run and verify the variants; the records of calibration and training are not."""
        labels = (self.labels,) if self.labels else ()
        return (*(variant.file for variant in self.variants), self.golden, *labels)

    def preprocess_of(self, variant: str) -> PreprocessSpec:
        """Return the preprocessing for one variant's input."""
        return replace(self.preprocess, offset=self.variant(variant).offset)

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Return the manifest of the bundle in ``folder``.

        Raises:
            BundleError: there is no manifest, it has another schema, an unknown field or value, or a changed byte.
        """
        path = folder / MANIFEST_NAME
        if not path.is_file():
            raise BundleError(f"{path}: no such file; expected a bundle folder written by mixer-edge-export")
        content = path.read_bytes()
        try:
            facts = json.loads(content)
            if isinstance(facts, dict):
                _check_schema(path, facts.get("schema_version"))
                stored = facts.pop("fingerprint", None)
            manifest = strict_json.parse(cls, facts)
            intact = stored == _fingerprint(facts) and content == strict_json.dumps(facts | {"fingerprint": stored})
        except UnknownValueError as error:
            raise BundleError(f"{path}: {error}; upgrade mixer-edge") from None
        except (ValueError, RecursionError) as error:
            raise BundleError(
                f"{path}: not a manifest that this program can read ({error}); export or copy it again"
            ) from None
        if not intact:
            raise BundleError(f"{path}: damaged or edited, its fingerprint does not match; export or copy it again")
        return manifest


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 16):
            digest.update(block)
    return digest.hexdigest()


def _check_schema(path: Path, version: object) -> None:
    """Raise for another schema version, so that the error is not about its first unknown field: docs/formats.md."""
    if type(version) is int and version != SCHEMA_VERSION:
        newer = version > SCHEMA_VERSION
        reason = "a newer mixer-edge; upgrade this one" if newer else "an older mixer-edge; export it again"
        raise BundleError(f"{path}: schema version {version}, expected {SCHEMA_VERSION}; written by {reason}")


def _fingerprint(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(strict_json.dumps(facts)).hexdigest()
