"""From a name, address or path to a source; the short names with all their sources."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import TINY
from tests.export.conftest import TWINS

from mixer_edge.errors import ModelError
from mixer_edge_export.network.mixer import MixerWeights
from mixer_edge_export.sources import load_source
from mixer_edge_export.sources.catalog import MODULES
from mixer_edge_export.sources.labels import imagenet_labels
from mixer_edge_export.sources.npz import save_npz

KAGGLE = "spsayakpaul/mlp-mixer/tensorFlow2"


@pytest.fixture(autouse=True)
def mirror(server: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server replaces the Hub and the published checkpoints; kagglehub is not installed."""
    monkeypatch.setenv("MIXER_EDGE_HUB_URL", f"{server.url}/hub")
    monkeypatch.setenv("MIXER_EDGE_NPZ_URL", f"{server.url}/npz")
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    return str(server.url)


def test_the_catalogue_lists_the_published_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve modules, each with its handles and the checkpoint it was made from."""
    monkeypatch.delenv("MIXER_EDGE_HUB_URL")
    monkeypatch.delenv("MIXER_EDGE_NPZ_URL")
    hub, npz = "https://tfhub.dev/sayakpaul", "https://storage.googleapis.com/mixer_models"
    found = {name: (module.hub_handle, module.kaggle_handle, module.npz_url) for name, module in MODULES.items()}
    assert len(found) == 12
    assert found["mixer_b32_sam"] == (
        f"{hub}/mixer_b32_sam_classification/1",
        f"{KAGGLE}/mixer-b32-sam-classification/1",
        f"{npz}/sam/Mixer-B_32.npz",
    )
    assert found["mixer_b16_sam_fe"][::2] == (f"{hub}/mixer_b16_sam_fe/1", f"{npz}/sam/Mixer-B_16.npz")
    assert found["mixer_b16_i1k"][::2] == (f"{hub}/mixer_b16_i1k_classification/1", f"{npz}/imagenet1k/Mixer-B_16.npz")
    assert found["mixer_l16_i1k_fe"][::2] == (f"{hub}/mixer_l16_i1k_fe/1", f"{npz}/imagenet1k/Mixer-L_16.npz")
    assert found["mixer_b16_i21k"][2] == f"{npz}/imagenet21k/Mixer-B_16.npz"
    assert found["mixer_l16_i21k_fe"] == (
        f"{hub}/mixer_l16_i21k_fe/1",
        f"{KAGGLE}/mixer-l16-i21k-fe/1",
        f"{npz}/imagenet21k/Mixer-L_16.npz",
    )
    assert [name for name, module in MODULES.items() if module.has_imagenet_classes] == [
        "mixer_b32_sam",
        "mixer_b16_sam",
        "mixer_b16_i1k",
        "mixer_l16_i1k",
    ]


def test_the_hub_is_asked_first(server: Any, twin_archive: bytes) -> None:
    """If the Hub works, no other source is used; classes of ImageNet-21k have no labels."""
    handle = server.serve_module("hub/mixer_b16_i21k_classification", twin_archive)
    source = load_source("mixer_b16_i21k")
    assert (source.origin.name, source.origin.kind, source.origin.location, source.labels) == (
        "mixer_b16_i21k",
        "hub",
        handle,
        None,
    )
    assert not [path for path, _ in server.requests if "npz" in path]


def test_the_checkpoint_answers_where_the_hub_does_not(
    server: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The sources are tried in order, the ones that failed are logged, and a feature extractor loses the head."""
    checkpoint = (TWINS / "mixer_12_blocks" / "weights.npz").read_bytes()
    server.serve_module("unused", checkpoint)
    server.replies["/npz/sam/Mixer-B_32.npz"] = server.replies["/unused.tar.gz"]
    caplog.set_level(logging.INFO, "mixer_edge_export")
    source = load_source("mixer_b32_sam_fe")
    assert (source.origin.name, source.origin.kind, source.num_classes) == ("mixer_b32_sam_fe", "npz", None)
    assert source.origin.location == f"{server.url}/npz/sam/Mixer-B_32.npz"
    assert caplog.messages == [
        f"mixer_b32_sam_fe: cannot be loaded from {server.url}/hub/mixer_b32_sam_fe/1",
        f"mixer_b32_sam_fe: cannot be loaded from kaggle:{KAGGLE}/mixer-b32-sam-fe/1",
    ]
    server.replies.clear()
    assert load_source("mixer_b32_sam_fe").fingerprint() == source.fingerprint()


def test_every_attempt_is_listed_if_none_works(server: Any) -> None:
    """The message lists the sources in their order, each with its reason."""
    with pytest.raises(ModelError) as raised:
        load_source("mixer_b32_sam")
    by_hand = "check the address, or download it in another way and use its path"
    assert str(raised.value) == (
        "mixer_b32_sam: none of its sources worked:\n"
        f"  1. {server.url}/hub/mixer_b32_sam_classification/1: the server answered 404 Not Found; {by_hand}\n"
        f"  2. {KAGGLE}/mixer-b32-sam-classification/1: needs kagglehub; pip install 'mixer-edge-export[kaggle]'\n"
        f"  3. {server.url}/npz/sam/Mixer-B_32.npz: the server answered 404 Not Found; {by_hand}"
    )


def test_imagenet_modules_bring_their_labels(server: Any, tmp_path: Path, twin_archive: bytes) -> None:
    """A module with ImageNet's classes has its labels; one with another number of outputs is refused."""
    save_npz(MixerWeights.random(replace(TINY, num_classes=1000), seed=0), tmp_path / "weights.npz")
    server.serve_module("unused", (tmp_path / "weights.npz").read_bytes())
    server.replies["/npz/imagenet1k/Mixer-B_16.npz"] = server.replies["/unused.tar.gz"]
    assert load_source("mixer_b16_i1k").labels == imagenet_labels()
    handle = server.serve_module("hub/mixer_l16_i1k_classification", twin_archive)
    with pytest.raises(ModelError) as raised:
        load_source("mixer_l16_i1k")
    assert str(raised.value) == f"{handle}: has 10 outputs; expected the 1000 of ImageNet"


def test_the_twins_answer_as_flax_does(twin: Path, twin_fe: Path) -> None:
    """The judge, XLA function included, and the graph rebuilt from its variables both give Flax's outputs."""
    for folder in (twin, twin_fe):
        source = load_source(str(folder))
        with np.load(TWINS / folder.name / "golden.npz") as golden:
            outputs = source.network()(golden["inputs"])
            np.testing.assert_allclose(outputs, golden["outputs"], atol=2e-6 * np.abs(golden["outputs"]).max())
            judgement = source.judgement(golden["inputs"])
            np.testing.assert_array_equal(judgement.reference, outputs)
            assert judgement.rebuilt_error < 2e-6


def test_an_unknown_name_lists_what_there_is(tmp_path: Path) -> None:
    """The error for a path that does not exist lists every name."""
    with pytest.raises(ModelError) as raised:
        load_source(str(tmp_path / "nothing"))
    assert str(raised.value) == (
        f"{tmp_path}/nothing: no such model; expected digits, an .npz file, a SavedModel folder or .tar.gz, an https "
        "address, kaggle:<handle>, mixer_b32_sam, mixer_b32_sam_fe, mixer_b16_sam, mixer_b16_sam_fe, mixer_b16_i1k, "
        "mixer_b16_i1k_fe, mixer_l16_i1k, mixer_l16_i1k_fe, mixer_b16_i21k, mixer_b16_i21k_fe, mixer_l16_i21k, "
        "mixer_l16_i21k_fe or random:mixer_s32, random:mixer_s16, random:mixer_b32, random:mixer_b16, "
        "random:mixer_l32, random:mixer_l16; digits and random models also with _fe at the end"
    )


def test_the_models_without_a_head() -> None:
    """``digits_fe`` and the random ``_fe`` models are the same weights without the head."""
    for name in ("digits", "random:mixer_s32"):
        whole, extractor = load_source(name), load_source(f"{name}_fe")
        assert (extractor.num_classes, extractor.labels) == (None, None)
        assert extractor.origin.name == f"{name}_fe".replace(":", "_")
        assert {key for key in whole.weights.arrays if key not in extractor.weights.arrays} == {
            "head/kernel",
            "head/bias",
        }
        for key, array in extractor.weights.arrays.items():
            np.testing.assert_array_equal(array, whole.weights.arrays[key])
