"""Classifiers that are no Mixer: converted as they are, in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mixer_edge.bundle import Bundle
from mixer_edge.classifier import Classifier
from mixer_edge.errors import ModelError
from mixer_edge.preprocess import Preprocessing
from mixer_edge_export.pipeline import export
from mixer_edge_export.sources import load_source
from mixer_edge_export.sources.generic import convert_saved_model
from mixer_edge_export.sources.saved_model import load_signature
from mixer_edge_export.sources.source import Origin, preprocess_spec

ORIGIN = Origin(name="model", kind="saved_model", location="model")


def save(folder: Path, function: Callable[..., Any], *specs: tf.TensorSpec, variables: list[tf.Variable]) -> Path:
    """Write a SavedModel that serves the function, and return its folder."""
    module = tf.Module()
    module.parameters = variables
    signature = tf.function(function, input_signature=specs).get_concrete_function()
    tf.saved_model.save(module, str(folder), signatures=signature)
    return folder


@pytest.fixture(scope="session")
def convnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of one convolution and one dense layer for 24 x 32 pictures in [0, 1]; four classes, softmax."""
    rng = np.random.default_rng(0)
    kernel = tf.Variable(rng.normal(size=(5, 5, 3, 16)).astype(np.float32) / 8)
    dense = tf.Variable(rng.normal(size=(16, 4)).astype(np.float32) * 4)

    def network(pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        features = tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(pictures, kernel, 2, "SAME")), axis=[1, 2])
        return {"probabilities": tf.nn.softmax(features @ dense)}

    spec = tf.TensorSpec([None, 24, 32, 3], tf.float32, name="pictures")
    return save(tmp_path_factory.mktemp("convnet") / "convnet", network, spec, variables=[kernel, dense])


def test_a_classifier_of_another_kind_is_exported(convnet: Path, tmp_path: Path) -> None:
    """Every variant is made and judged, batch and size are fixed, and the softmax of the outputs is the model's own."""
    labels = tmp_path / "labels.txt"
    labels.write_text("ant\nbee\ncat\ndog\n")
    manifest = export(str(convnet), tmp_path / "bundle", labels=labels, preprocessing=Preprocessing(pixel_range=(0, 1)))
    assert (manifest.task, manifest.source.kind, manifest.source.judge) == (
        "classification",
        "saved_model",
        "saved_model",
    )
    assert dict(manifest.architecture) == {"num_classes": 4}
    assert (manifest.preprocess.height, manifest.preprocess.width) == (24, 32)
    assert (manifest.preprocess.scale, manifest.preprocess.offset) == (255, 0)
    assert manifest.variant("float32").input.shape == (1, 24, 32, 3)
    assert manifest.variant("float32").runtimes["ai-edge-litert"].max_error == pytest.approx(0, abs=1e-5)
    assert {variant.offset for variant in manifest.variants} == {0}
    assert (manifest.variant("int8").input.scale, manifest.variant("int8").input.zero_point) == (
        pytest.approx(1 / 255),
        -128,
    )
    bundle = Bundle.open(tmp_path / "bundle")
    picture = bundle.golden()["images"][0]
    signature = tf.saved_model.load(str(convnet)).signatures["serving_default"]
    expected = signature(pictures=tf.constant(picture[np.newaxis] / np.float32(255)))["probabilities"].numpy()[0]
    answer = Classifier(bundle, "float32").classify(picture.astype(np.uint8), 4)
    assert {c.label: c.probability for c in answer} == pytest.approx(
        dict(zip(("ant", "bee", "cat", "dog"), map(float, expected), strict=True)), abs=1e-5
    )


@pytest.mark.parametrize("normalised", [False, True])
def test_constants_and_norms_of_another_network_stay_as_they_are(tmp_path: Path, normalised: bool) -> None:
    """The stream is scaled in a Mixer alone: another network with a LayerNorm or a ``+ 3`` is exported unchanged."""
    kernel = tf.Variable(np.random.default_rng(0).normal(size=(5, 5, 3, 16)).astype(np.float32) * 200)
    dense = tf.Variable(np.random.default_rng(1).normal(size=(16, 4)).astype(np.float32) / 200)

    def network(pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        features = tf.nn.conv2d(pictures, kernel, 2, "SAME")
        if normalised:
            features *= tf.math.rsqrt(tf.reduce_mean(features * features, axis=-1, keepdims=True) + 1e-6)
        else:
            features *= tf.nn.relu6(features + 3.0) / 6.0
        return {"logits": tf.reduce_mean(features, axis=[1, 2]) @ dense}

    spec = tf.TensorSpec([None, 24, 32, 3], tf.float32, name="pictures")
    folder = save(tmp_path / "other", network, spec, variables=[kernel, dense])
    manifest = export(str(folder), tmp_path / "bundle", variants=["float16"])
    assert [variant.half_precision for variant in manifest.variants] == [False, not normalised]
    assert (manifest.variants[0].runtimes["ai-edge-litert"].max_error or 1) < 1e-4


def test_a_pixel_range_is_for_other_networks_alone(twin: Path) -> None:
    """A Mixer's input is [-1, 1], whatever is asked for."""
    with pytest.raises(ModelError) as raised:
        preprocess_spec(load_source(str(twin)), Preprocessing(pixel_range=(0, 1)))
    assert str(raised.value) == "mixer_12_blocks: the pixel range is 0 to 1; expected -1 to 1 for a Mixer"


def test_a_graph_that_the_converter_refuses_is_told(twin: Path) -> None:
    """The twins' own graphs hold XLA ops, which no TFLite has."""
    with pytest.raises(ModelError, match="TensorFlow's converter failed .*XlaDotV2"):
        convert_saved_model(twin, ORIGIN)


def test_a_crash_of_the_converter_is_an_error(convnet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error for a crashed child process has its signal or exit code and its last output."""
    python = tmp_path / "python"
    monkeypatch.setattr(sys, "executable", str(python))
    for ending, how in (("kill -SEGV $$", "crashed with SIGSEGV"), ("exit 139", "ended with exit code 139")):
        python.write_text(f"#!/bin/sh\necho loading >&2\necho 'bad op' >&2\n{ending}\n")
        python.chmod(0o755)
        with pytest.raises(ModelError) as raised:
            convert_saved_model(convnet, ORIGIN)
        assert str(raised.value) == (
            f"{convnet}: TensorFlow's converter {how} on this model, which is not a Mixer that could be rebuilt; "
            "its last output:\nloading\nbad op"
        )


def test_a_signature_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """Two inputs, a size left open or grey pictures are named with what was expected."""
    image = tf.TensorSpec([None, 8, 8, 3], tf.float32, name="a")
    cases = {
        "two inputs": ((image, tf.TensorSpec([None, 8, 8, 3], tf.float32, name="b")), lambda a, b: {"y": a[:, 0, 0]}),
        "open size": ((tf.TensorSpec([None, None, None, 3], tf.float32, name="a"),), lambda a: {"y": a[:, 0, 0]}),
        "grey": ((tf.TensorSpec([None, 8, 8, 1], tf.float32, name="a"),), lambda a: {"y": a[:, 0, 0]}),
        "bytes": ((tf.TensorSpec([None, 8, 8, 3], tf.uint8, name="a"),), lambda a: {"y": a[:, 0, 0]}),
        "a picture out": ((image,), lambda a: {"y": a}),
    }
    for name, (specs, function) in cases.items():
        folder = save(tmp_path / name, function, *specs, variables=[])
        with pytest.raises(ModelError, match=r"its signature is .*; expected one float32 input \[N, height"):
            load_signature(folder)
