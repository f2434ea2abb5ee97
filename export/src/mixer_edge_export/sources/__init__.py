"""Where a model comes from. Every Mixer ends in the same ``MixerWeights``, whatever it was found in.

``digits`` is the bundled model, ``random:<size>`` the published architecture with random weights, and the names of
``catalog.MODULES`` are the published modules. Anything else is an address or a path:

- ``https://.../<name>.npz`` or ``.tar.gz``, any other ``https://`` address as a handle for TensorFlow Hub;
- ``kaggle:owner/model/framework/variation/version``;
- an ``.npz`` file in the published key layout, a SavedModel folder or an archive of one.

A SavedModel that is no Mixer is converted as it is (``other.py``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import resources
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import ModelError
from mixer_edge.manifest import PreprocessSpec, SourceSpec, file_sha256
from mixer_edge.preprocess import preprocess_spec
from mixer_edge_export.convert import convert_float, reference_outputs
from mixer_edge_export.judge import check_outputs
from mixer_edge_export.labels import imagenet_labels
from mixer_edge_export.mixer import PUBLISHED_CONFIGS, MixerWeights
from mixer_edge_export.sources.archive import ARCHIVE_SUFFIXES, find_saved_model, folder_sha256, unpack
from mixer_edge_export.sources.cache import discarded_on_error
from mixer_edge_export.sources.catalog import MODULES, Module
from mixer_edge_export.sources.download import download
from mixer_edge_export.sources.hub import resolve_hub, resolve_kaggle
from mixer_edge_export.sources.npz import load_npz
from mixer_edge_export.sources.other import Network, OtherModel, convert_saved_model
from mixer_edge_export.sources.saved_model import check_complete, is_mixer, load_saved_model, load_signature

log = logging.getLogger(__name__)

RANDOM_SEED = 0
RANDOM_MODELS = [f"random:{name}" for name in PUBLISHED_CONFIGS]
KAGGLE_PREFIX = "kaggle:"
MIXER_RANGE = (-1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A loaded model: where it was found, and either a Mixer's weights or another network."""

    name: str
    kind: str
    """``bundled``, ``random``, ``npz``, ``saved_model``, ``hub`` or ``kaggle``."""
    location: str
    weights: MixerWeights | None = None
    saved_model: Path | None = None
    """The SavedModel that the weights were read from, which judges what is made of them."""
    other: OtherModel | None = None
    labels: tuple[str, ...] | None = None
    sha256: str | None = None
    """Of the file, or over all files of the SavedModel."""

    @property
    def is_random(self) -> bool:
        """Whether the weights are random: then there is no accuracy to speak of."""
        return self.kind == "random"

    @property
    def judge(self) -> str:
        """What the export is measured against; bare weights have no graph of their own to judge with."""
        return "rebuilt graph" if self.weights and self.saved_model is None else "saved_model"

    @property
    def architecture(self) -> dict[str, int | None]:
        """The Mixer's configuration; of another network the number of classes alone."""
        return asdict(self.weights.config) if self.weights else {"num_classes": self.num_classes}

    @property
    def num_classes(self) -> int | None:
        """Number of classes; None for a feature extractor."""
        return self.weights.config.num_classes if self.weights else self._other.facts.num_classes

    @property
    def task(self) -> str:
        """``classification``, or ``embedding`` for a feature extractor."""
        return "embedding" if self.num_classes is None else "classification"

    @property
    def parameter_count(self) -> int:
        """Parameters that a file must hold."""
        return self.weights.parameter_count if self.weights else self._other.facts.kernel_parameter_count

    def fingerprint(self) -> str:
        """Return the sha256 that names the weights, or the other network's files."""
        return self.weights.fingerprint() if self.weights else folder_sha256(self._other.folder)

    def preprocess(
        self,
        *,
        geometry: str = "squash",
        antialias: bool = True,
        decode: str = "scaled",
        pixel_range: tuple[float, float] = MIXER_RANGE,
    ) -> PreprocessSpec:
        """Return how pictures become the input; the arguments are those of ``preprocess_spec``.

        Raises:
            ModelError: another range than [-1, 1] for a Mixer, or an empty one.
        """
        low, high = pixel_range
        if not low < high or (self.weights and pixel_range != MIXER_RANGE):
            raise ModelError(f"{self.location}: pixels cannot become {low:g} to {high:g}; expected -1 to 1 for a Mixer")
        side = self.weights.config.image_size if self.weights else None
        height, width = (side, side) if side else (self._other.facts.height, self._other.facts.width)
        return preprocess_spec(
            height, width, geometry=geometry, antialias=antialias, decode=decode, pixel_range=pixel_range
        )

    def float_model(self) -> bytes:
        """Return the float32 TFLite file."""
        return convert_float(self.weights) if self.weights else self._other.float_model

    def network(self) -> Network:
        """Return the judge in TensorFlow: from ``[n, H, W, 3]`` float32 images to outputs ``[n, classes]``.

        Raises:
            ModelError: the SavedModel cannot be loaded, or not be run when the function is called.
        """
        if self.weights is None:
            return self._other.network()
        if self.saved_model is None:
            return partial(reference_outputs, self.weights)
        return load_signature(self.saved_model).outputs

    def check_rebuilt(self, images: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
        """Return how far the graph rebuilt from the weights is from the judge's outputs for the same images.

        Returns:
            A part of the largest output; 0 where the two are the same graph.

        Raises:
            ModelError: the rebuilt graph is not the source's.
        """
        if self.weights is None or self.saved_model is None:
            return 0.0
        rebuilt = reference_outputs(self.weights, images)
        return check_outputs("the graph rebuilt from the variables", rebuilt, reference, judge=self.location)

    def facts(self, rebuilt_error: float) -> SourceSpec:
        """Return what a manifest says of the source; ``rebuilt_error`` is what ``check_rebuilt`` returned."""
        return SourceSpec(
            kind=self.kind,
            location=self.location,
            weights="random" if self.is_random else "trained",
            fingerprint=self.fingerprint(),
            sha256=self.sha256,
            judge=self.judge,
            rebuilt_error=rebuilt_error,
        )

    @property
    def _other(self) -> OtherModel:
        if self.other is None:
            raise ModelError(f"{self.location}: neither a Mixer's weights nor another network")
        return self.other


def load_source(model: str) -> Source:
    """Return the model of a name, address or path.

    Raises:
        ModelError: no such model, it cannot be had, or it is none that can be exported; the message says why.
    """
    if model == "digits":
        with resources.as_file(resources.files("mixer_edge_export.digits") / "digits.npz") as path:
            weights = load_npz(path)
        labels = tuple(str(digit) for digit in range(10))
        return Source(name=model, kind="bundled", location=model, weights=weights, labels=labels)
    if model in RANDOM_MODELS:
        config = PUBLISHED_CONFIGS[model.removeprefix("random:")]
        weights = MixerWeights.random(config, RANDOM_SEED)
        return Source(name=model.replace(":", "_"), kind="random", location=model, weights=weights)
    if model in MODULES:
        return _first_answer(model, MODULES[model])
    if model.startswith(KAGGLE_PREFIX):
        return _from_kaggle(model.removeprefix(KAGGLE_PREFIX))
    if model.startswith(("https://", "http://")):
        return _from_address(model)
    return _from_path(Path(model), model)


def _first_answer(name: str, module: Module) -> Source:
    """Return the module from the first of its sources that answers; those that do not are logged."""
    attempts: dict[str, Callable[[], Source]] = {
        module.hub_handle: lambda: _from_hub(module.hub_handle),
        KAGGLE_PREFIX + module.kaggle_handle: lambda: _from_kaggle(module.kaggle_handle),
        module.npz_url: lambda: _from_npz_address(module.npz_url, drop_head=module.is_feature_extractor),
    }
    reasons = []
    for place, attempt in attempts.items():
        try:
            source = attempt()
        except ModelError as error:
            reasons.append(str(error))
            log.info("%s: not from %s", name, place)
            continue
        labels = imagenet_labels() if module.has_imagenet_classes else None
        if labels and source.num_classes != len(labels):
            raise ModelError(f"{place}: has {source.num_classes} outputs; expected the {len(labels)} of ImageNet")
        return replace(source, name=name, labels=labels)
    tried = "".join(f"\n  {number}. {reason}" for number, reason in enumerate(reasons, start=1))
    raise ModelError(f"{name}: none of its sources answered:{tried}")


def _from_address(url: str) -> Source:
    path = urlparse(url).path
    if path.endswith(".npz"):
        return _from_npz_address(url)
    if path.endswith(ARCHIVE_SUFFIXES):
        archive = download(url)
        with discarded_on_error(archive):
            source = _from_path(archive, url)
        return replace(source, kind="saved_model", location=url)
    for name, module in MODULES.items():
        if url == module.hub_handle:
            labels = imagenet_labels() if module.has_imagenet_classes else None
            return replace(_from_hub(url), name=name, labels=labels)
    return _from_hub(url)


def _from_hub(handle: str) -> Source:
    return _from_folder(resolve_hub(handle), name=_handle_name(handle), kind="hub", location=handle)


def _from_kaggle(handle: str) -> Source:
    folder = resolve_kaggle(handle)
    return _from_folder(folder, name=_handle_name(handle), kind="kaggle", location=KAGGLE_PREFIX + handle)


def _handle_name(handle: str) -> str:
    parts = [part for part in urlparse(handle).path.split("/") if part]
    return parts[-2] if len(parts) > 1 and parts[-1].isdigit() else parts[-1]


def _from_npz_address(url: str, *, drop_head: bool = False) -> Source:
    path = download(url)
    with discarded_on_error(path):
        weights = load_npz(path, drop_head=drop_head)
    return Source(name=path.stem, kind="npz", location=url, weights=weights, sha256=file_sha256(path))


def _from_path(path: Path, model: str) -> Source:
    if path.suffix == ".npz" and path.is_file():
        return Source(name=path.stem, kind="npz", location=path.name, weights=load_npz(path), sha256=file_sha256(path))
    if path.name.endswith(ARCHIVE_SUFFIXES) and path.is_file():
        name = path.name.removesuffix(next(suffix for suffix in ARCHIVE_SUFFIXES if path.name.endswith(suffix)))
        source = _from_folder(find_saved_model(unpack(path)), name=name, kind="saved_model", location=path.name)
        return replace(source, sha256=file_sha256(path))
    if path.is_dir():
        name = path.resolve().name
        return _from_folder(find_saved_model(path), name=name, kind="saved_model", location=name)
    raise ModelError(
        f"{model}: no such model; expected digits, an .npz file, a SavedModel folder or .tar.gz, an https address, "
        f"{KAGGLE_PREFIX}<handle>, {', '.join(MODULES)} or {', '.join(RANDOM_MODELS)}"
    )


def _from_folder(folder: Path, *, name: str, kind: str, location: str) -> Source:
    check_complete(folder)
    common = Source(name=name, kind=kind, location=location, sha256=folder_sha256(folder))
    if is_mixer(folder):
        return replace(common, weights=load_saved_model(folder), saved_model=folder)
    return replace(common, other=convert_saved_model(folder))
