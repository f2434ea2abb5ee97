"""The files that other tools make of the same network, with their own defaults."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge_export.convert import quiet_tensorflow
from mixer_edge_export.mixer import MixerWeights, mixer

ONNX_SCRIPT = Path(__file__).with_name("onnx_static.py")


def plain_converter(weights: MixerWeights) -> object:
    """Return TensorFlow's converter for the network as published, nothing folded."""
    import tensorflow as tf

    spec = tf.TensorSpec(weights.config.input_shape, tf.float32, name="images")
    function = tf.function(lambda images: mixer(weights.config, weights.arrays, images), [spec])
    return tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], tf.Module())


def converter_int8(weights: MixerWeights, images: NDArray[np.float32]) -> bytes:
    """Return TFLiteConverter's fully integer file, int8 in and out, calibrated on ``[n, H, W, 3]`` images."""
    with quiet_tensorflow():
        import tensorflow as tf

        converter = plain_converter(weights)

        def representative_dataset() -> Iterator[list[NDArray[np.float32]]]:
            for image in images:
                yield [image[np.newaxis]]

        converter.optimizations = [tf.lite.Optimize.DEFAULT]  # type: ignore[attr-defined]
        converter.representative_dataset = representative_dataset  # type: ignore[attr-defined]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]  # type: ignore[attr-defined]
        converter.inference_input_type = converter.inference_output_type = tf.int8  # type: ignore[attr-defined]
        return bytes(converter.convert())  # type: ignore[attr-defined]


def quantizer_static(weights: MixerWeights, images: NDArray[np.float32]) -> bytes:
    """Return ai-edge-quantizer's file of its static recipe, every op int8, by its own calibration."""
    with quiet_tensorflow(), contextlib.redirect_stdout(io.StringIO()):
        from ai_edge_quantizer import recipe
        from ai_edge_quantizer.quantizer import Quantizer

        quantizer = Quantizer(bytes(plain_converter(weights).convert()))  # type: ignore[attr-defined]
        quantizer.load_quantization_recipe(recipe.static_wi8_ai8())
        samples = {"serving_default": [{"images": image[np.newaxis]} for image in images]}
        return bytes(quantizer.quantize(quantizer.calibrate(samples), enable_progress_report=False).quantized_model)


def onnx_static(
    python: Path, weights: MixerWeights, calibration: NDArray[np.float32], images: NDArray[np.float32]
) -> tuple[NDArray[np.float32], dict[str, float]]:
    """Return ONNX Runtime's static int8 outputs ``[n, classes]`` and its facts: ``size_bytes``, ``cpu_ratio``.

    Args:
        python: of an environment with ``benchmarks/onnx-requirements.txt``.
        weights: the model.
        calibration: ``[m, H, W, 3]`` float32 in [-1, 1].
        images: ``[n, H, W, 3]`` to run it on.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "weights.npz", **weights.arrays)  # type: ignore[arg-type]
        np.savez(folder / "images.npz", calibration=calibration, images=images)
        done = subprocess.run([python, ONNX_SCRIPT, folder], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{ONNX_SCRIPT} failed: {done.stderr}")
        return np.load(folder / "outputs.npy"), json.loads((folder / "facts.json").read_text())
