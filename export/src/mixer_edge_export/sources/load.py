"""Load a model by name, address or path.

``digits`` is the bundled model, ``random:<size>`` the published architecture with random weights, and the names of
``mixer_edge_export.sources.catalog.MODULES`` are the published modules. With ``_fe`` at the end, each is the feature
extractor, without the head. Anything else is an address or a path:

- ``https://.../<name>.npz`` or ``.tar.gz``, any other ``https://`` address as a handle for TensorFlow Hub;
- ``kaggle:owner/model/framework/variation/version``;
- an ``.npz`` file in the published key layout, a SavedModel folder or an archive of one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from urllib.parse import urlparse

from mixer_edge.errors import ModelError
from mixer_edge.manifest import file_sha256
from mixer_edge_export.files import discarded_on_error
from mixer_edge_export.network.mixer import PUBLISHED_CONFIGS, MixerWeights
from mixer_edge_export.sources.archive import ARCHIVE_SUFFIXES, find_saved_model, folder_sha256, unpack
from mixer_edge_export.sources.catalog import MODULES, Module
from mixer_edge_export.sources.download import download
from mixer_edge_export.sources.generic import convert_saved_model
from mixer_edge_export.sources.hub import resolve_hub, resolve_kaggle
from mixer_edge_export.sources.labels import imagenet_labels
from mixer_edge_export.sources.mixer import MixerSource
from mixer_edge_export.sources.npz import load_npz
from mixer_edge_export.sources.saved_model import check_complete, is_mixer, load_saved_model
from mixer_edge_export.sources.source import Origin, Source

log = logging.getLogger(__name__)

RANDOM_SEED = 0
FE = "_fe"
RANDOM_MODELS = [f"random:{name}" for name in PUBLISHED_CONFIGS]
KAGGLE_PREFIX = "kaggle:"


def load_source(model: str) -> Source:
    """Return the model of a name, address or path.

    Raises:
        ModelError: there is no such model, or it cannot be downloaded or exported; the message says why.
    """
    if model in ("digits", f"digits{FE}"):
        without_head = model.endswith(FE)
        with resources.as_file(resources.files("mixer_edge_export.digits") / "digits.npz") as path:
            weights = load_npz(path, drop_head=without_head)
        labels = None if without_head else tuple(str(digit) for digit in range(10))
        return MixerSource(origin=Origin(name=model, kind="bundled", location=model), weights=weights, labels=labels)
    if model.removesuffix(FE) in RANDOM_MODELS:
        config = PUBLISHED_CONFIGS[model.removeprefix("random:").removesuffix(FE)]
        if model.endswith(FE):
            config = replace(config, num_classes=None)
        weights = MixerWeights.random(config, RANDOM_SEED)
        return MixerSource(origin=Origin(name=model.replace(":", "_"), kind="random", location=model), weights=weights)
    if model in MODULES:
        return _first_answer(model, MODULES[model])
    if model.startswith(KAGGLE_PREFIX):
        return _from_kaggle(model.removeprefix(KAGGLE_PREFIX))
    if model.startswith(("https://", "http://")):
        return _from_address(model)
    return _from_path(Path(model), model)


def _first_answer(name: str, module: Module) -> Source:
    """Return the module from the first of its sources that works; log those that do not."""
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
            log.info("%s: cannot be loaded from %s", name, place)
            continue
        labels = imagenet_labels() if module.has_imagenet_classes else None
        if labels and source.num_classes != len(labels):
            raise ModelError(f"{place}: has {source.num_classes} outputs; expected the {len(labels)} of ImageNet")
        return replace(source, origin=replace(source.origin, name=name), labels=labels)
    tried = "".join(f"\n  {number}. {reason}" for number, reason in enumerate(reasons, start=1))
    raise ModelError(f"{name}: none of its sources worked:{tried}")


def _from_address(url: str) -> Source:
    path = urlparse(url).path
    if path.endswith(".npz"):
        return _from_npz_address(url)
    if path.endswith(ARCHIVE_SUFFIXES):
        archive = download(url)
        with discarded_on_error(archive):
            source = _from_path(archive, url)
        return replace(source, origin=replace(source.origin, kind="saved_model", location=url))
    for name, module in MODULES.items():
        if url == module.hub_handle:
            source = _from_hub(url)
            labels = imagenet_labels() if module.has_imagenet_classes else None
            return replace(source, origin=replace(source.origin, name=name), labels=labels)
    return _from_hub(url)


def _from_hub(handle: str) -> Source:
    return _from_folder(resolve_hub(handle), Origin(name=_handle_name(handle), kind="hub", location=handle))


def _from_kaggle(handle: str) -> Source:
    folder = resolve_kaggle(handle)
    return _from_folder(folder, Origin(name=_handle_name(handle), kind="kaggle", location=KAGGLE_PREFIX + handle))


def _handle_name(handle: str) -> str:
    parts = [part for part in urlparse(handle).path.split("/") if part]
    return parts[-2] if len(parts) > 1 and parts[-1].isdigit() else parts[-1]


def _from_npz_address(url: str, *, drop_head: bool = False) -> Source:
    path = download(url)
    with discarded_on_error(path):
        weights = load_npz(path, drop_head=drop_head)
    return MixerSource(
        origin=Origin(name=path.stem, kind="npz", location=url, sha256=file_sha256(path)), weights=weights
    )


def _from_path(path: Path, model: str) -> Source:
    if path.suffix == ".npz" and path.is_file():
        weights = load_npz(path)
        return MixerSource(
            origin=Origin(name=path.stem, kind="npz", location=path.name, sha256=file_sha256(path)), weights=weights
        )
    if path.name.endswith(ARCHIVE_SUFFIXES) and path.is_file():
        name = path.name.removesuffix(next(suffix for suffix in ARCHIVE_SUFFIXES if path.name.endswith(suffix)))
        source = _from_folder(find_saved_model(unpack(path)), Origin(name=name, kind="saved_model", location=path.name))
        return replace(source, origin=replace(source.origin, sha256=file_sha256(path)))
    if path.is_dir():
        name = path.resolve().name
        return _from_folder(find_saved_model(path), Origin(name=name, kind="saved_model", location=name))
    raise ModelError(
        f"{model}: no such model; expected digits, an .npz file, a SavedModel folder or .tar.gz, an https address, "
        f"{KAGGLE_PREFIX}<handle>, {', '.join(MODULES)} or {', '.join(RANDOM_MODELS)}; digits and random models also "
        f"with {FE} at the end"
    )


def _from_folder(folder: Path, origin: Origin) -> Source:
    check_complete(folder)
    origin = replace(origin, sha256=folder_sha256(folder))
    if is_mixer(folder):
        return MixerSource(origin=origin, weights=load_saved_model(folder), saved_model=folder)
    return convert_saved_model(folder, origin)
