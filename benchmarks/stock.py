"""The files of TensorFlow's converter and ai-edge-quantizer for the same network, with their own defaults.

The converter cannot read the Hub's module (its ops are XLA's), so it gets a straightforward port of the network: basic
ops, nothing folded. ``python -m benchmarks.stock NAME CHECKPOINT CALIBRATION.npy OUT.tflite`` makes one file, in a
separate process, because the converter does not free its memory.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge_export.network.mixer import MixerWeights, mixer
from mixer_edge_export.sources import load_source

Images = NDArray[np.float32]


def plain_converter(weights: MixerWeights, batch: int | None = 1) -> object:
    """Return TensorFlow's converter for the network as published; ``batch`` None leaves it open."""
    import tensorflow as tf

    spec = tf.TensorSpec((batch, *weights.config.input_shape[1:]), tf.float32, name="images")
    function = tf.function(lambda images: mixer(weights.config, weights.arrays, images), [spec])
    return tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], tf.Module())


def converter_float32(weights: MixerWeights, images: Images, batch: int | None = 1) -> bytes:
    """Return TFLiteConverter's float32 file."""
    return bytes(plain_converter(weights, batch).convert())  # type: ignore[attr-defined]


def converter_dynamic(weights: MixerWeights, images: Images, batch: int | None = 1) -> bytes:
    """Return TFLiteConverter's dynamic range file: int8 weights, activations quantized at run time."""
    import tensorflow as tf

    converter = plain_converter(weights, batch)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]  # type: ignore[attr-defined]
    return bytes(converter.convert())  # type: ignore[attr-defined]


def converter_int8(weights: MixerWeights, images: Images, batch: int | None = 1) -> bytes:
    """Return TFLiteConverter's fully integer file, int8 in and out, calibrated on ``[n, H, W, 3]`` images."""
    import tensorflow as tf

    converter = plain_converter(weights, batch)

    def representative_dataset() -> Iterator[list[Images]]:
        for image in images:
            yield [image[np.newaxis]]

    converter.optimizations = [tf.lite.Optimize.DEFAULT]  # type: ignore[attr-defined]
    converter.representative_dataset = representative_dataset  # type: ignore[attr-defined]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]  # type: ignore[attr-defined]
    converter.inference_input_type = converter.inference_output_type = tf.int8  # type: ignore[attr-defined]
    return bytes(converter.convert())  # type: ignore[attr-defined]


def quantizer_static(weights: MixerWeights, images: Images) -> bytes:
    """Return ai-edge-quantizer's file of its static recipe, every op int8, by its own calibration."""
    with contextlib.redirect_stdout(io.StringIO()):
        from ai_edge_quantizer import recipe
        from ai_edge_quantizer.quantizer import Quantizer

        quantizer = Quantizer(converter_float32(weights, images))
        quantizer.load_quantization_recipe(recipe.static_wi8_ai8())
        samples = {"serving_default": [{"images": image[np.newaxis]} for image in images]}
        return bytes(quantizer.quantize(quantizer.calibrate(samples), enable_progress_report=False).quantized_model)


STOCK: dict[str, Callable[[MixerWeights, Images], bytes]] = {
    "TFLiteConverter float32": converter_float32,
    "TFLiteConverter dynamic int8": converter_dynamic,
    "TFLiteConverter int8": converter_int8,
    "ai-edge-quantizer static int8": quantizer_static,
    "TFLiteConverter float32, open batch": lambda weights, images: converter_float32(weights, images, None),
    "TFLiteConverter dynamic int8, open batch": lambda weights, images: converter_dynamic(weights, images, None),
    "TFLiteConverter int8, open batch": lambda weights, images: converter_int8(weights, images, None),
}
"""Name of each file -> what makes it from weights and ``[n, H, W, 3]`` float32 images in [-1, 1]."""


def main(name: str, checkpoint: str, calibration: str, target: str) -> None:
    """Write the file of that name from a checkpoint and a ``.npy`` of images."""
    Path(target).write_bytes(STOCK[name](load_source(checkpoint).weights, np.load(calibration)))


if __name__ == "__main__":
    main(*sys.argv[1:])
