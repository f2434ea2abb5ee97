"""The conversion with stand-ins gives the same file as the conversion with the weights."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from mixer_edge.errors import ModelError
from mixer_edge_export.network.convert import convert_float
from mixer_edge_export.network.folding import fold, folded_mixer
from mixer_edge_export.network.mixer import MixerConfig, MixerWeights
from mixer_edge_export.tflite.graph import Graph

CONFIG = MixerConfig(
    image_size=32, patch_size=8, num_blocks=2, hidden_dim=16, tokens_mlp_dim=16, channels_mlp_dim=16, num_classes=16
)


def facts(content: bytes, image: np.ndarray) -> tuple[Counter[str], list[str], np.ndarray]:
    """Return the operators of a file, the names of its activations and its output for an image."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    operators = Graph.read(content).operators
    names = [tensor.name for op in operators for tensor in op.outputs]
    return Counter(op.name for op in operators), names, output


@pytest.mark.parametrize("classes", [16, None])
def test_stand_ins_leave_no_trace(classes: int | None) -> None:
    """Operators, names and outputs are those of a plain conversion, though nearly all kernels have the same shape."""
    config = MixerConfig(**{**vars(CONFIG), "num_classes": classes})
    weights = MixerWeights.random(config, seed=5)
    arrays = fold(weights)
    spec = tf.TensorSpec(config.input_shape, tf.float32, name="images")
    function = tf.function(lambda images: {"output": folded_mixer(config, arrays, images)}, [spec])
    plain = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], tf.Module()).convert()
    image = np.random.default_rng(0).uniform(-1, 1, config.input_shape).astype(np.float32)
    expected_operators, expected_names, expected_output = facts(plain, image)
    operators, names, output = facts(convert_float(weights), image)
    assert operators == expected_operators
    assert names == expected_names
    np.testing.assert_allclose(output, expected_output, rtol=0, atol=1e-6)


QUIET = """
import os, sys
from mixer_edge.errors import ModelError
from mixer_edge.standard_error import whole_lines
from mixer_edge.errors import ModelError
from mixer_edge_export.network.convert import quiet_tensorflow

def talk(text):
    os.write(2, f"C++ {text}\\n".encode())
    print("Python", text, file=sys.stderr)

with whole_lines():
    for error in (None, ModelError, KeyError):
        talk(f"before {error}")
        try:
            with quiet_tensorflow():
                talk(f"in {error}")
                if error:
                    raise error
        except Exception:
            pass
    talk("after")
"""


def test_what_tensorflow_says_is_held_back_in_a_command() -> None:
    """Output from C++ and from Python, on different descriptors; it is shown after an unexpected error."""
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=True)
    heard = ["before None", f"before {ModelError}", f"before {KeyError}", f"in {KeyError}", "after"]
    assert sorted(done.stderr.splitlines()) == sorted(f"{who} {text}" for who in ("C++", "Python") for text in heard)
