"""Classifiers that are no Mixer: converted as they are, in a process of its own."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from itertools import permutations
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


def test_a_pixel_range_is_for_other_networks_alone(twin: Path) -> None:
    """A Mixer's input is [-1, 1], whatever is asked for."""
    with pytest.raises(ModelError) as raised:
        preprocess_spec(load_source(str(twin)), Preprocessing(pixel_range=(0, 1)))
    assert str(raised.value) == "mixer_12_blocks: pixels cannot become 0 to 1; expected -1 to 1 for a Mixer"


def test_a_graph_that_the_converter_refuses_is_told(twin: Path) -> None:
    """The twins' own graphs hold XLA ops, which no TFLite has."""
    with pytest.raises(ModelError) as raised:
        convert_saved_model(twin, ORIGIN)
    assert re.fullmatch(
        rf"{re.escape(str(twin))}: TensorFlow's converter refused it \([^\n]*'tf\.XlaDotV2' op is neither a custom op "
        r"nor a flex op[^\n]*\)",
        str(raised.value),
    )


def test_a_crash_of_the_converter_is_an_error(convnet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child process that dies is told with its signal or exit code and its last words."""
    python = tmp_path / "python"
    monkeypatch.setattr(sys, "executable", str(python))
    for ending, how in (("kill -SEGV $$", "was ended by SIGSEGV"), ("exit 139", "ended with exit code 139")):
        python.write_text(f"#!/bin/sh\necho loading >&2\necho 'bad op' >&2\n{ending}\n")
        python.chmod(0o755)
        with pytest.raises(ModelError) as raised:
            convert_saved_model(convnet, ORIGIN)
        assert str(raised.value) == (
            f"{convnet}: TensorFlow's converter {how} on this model, which is no Mixer that could be rebuilt; "
            "its last words:\nloading\nbad op"
        )


def test_a_signature_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """Two inputs, a size left open, grey pictures, bytes or a picture as output are named with what was expected."""

    def spec(shape: list[int | None], name: str, dtype: tf.DType = tf.float32) -> tf.TensorSpec:
        return tf.TensorSpec(shape, dtype, name=name)

    image, classes = spec([None, 8, 8, 3], "a"), spec([None, 3], "y")
    cases = {
        "two inputs": ([image, spec([None, 8, 8, 3], "b")], lambda a, b: {"y": a[:, 0, 0]}, classes),
        "open size": ([spec([None, None, None, 3], "a")], lambda a: {"y": a[:, 0, 0]}, classes),
        "grey": ([spec([None, 8, 8, 1], "a")], lambda a: {"y": a[:, 0, 0]}, spec([None, 1], "y")),
        "bytes": ([spec([None, 8, 8, 3], "a", tf.uint8)], lambda a: {"y": a[:, 0, 0]}, spec([None, 3], "y", tf.uint8)),
        "a picture out": ([image], lambda a: {"y": a}, spec([None, 8, 8, 3], "y")),
    }
    for name, (inputs, function, output) in cases.items():
        folder = save(tmp_path / name, function, *inputs, variables=[])
        with pytest.raises(ModelError) as raised:
            load_signature(folder)
        # TensorFlow has several inputs in no order of their own
        assert str(raised.value) in [
            f"{folder}: its signature leads from {list(given)} to {[output]}; expected one float32 input "
            "[N, height, width, 3] and one float32 output [N, classes]"
            for given in permutations(inputs)
        ]
