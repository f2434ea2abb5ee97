"""Fixtures of the device tests: the boards, each made once, and tiny models with the host's outputs."""

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulator.board import Board, fresh_board
from emulator.host import HostError, setup
from emulator.onnx_file import dense as onnx_dense
from emulator.root import cache_folder
from numpy.typing import NDArray

from mixer_edge.cache import CACHE_VARIABLE


@dataclass(frozen=True, kw_only=True)
class TinyModel:
    """One dense layer from 64 to 32, an input, and the output of the host's interpreter."""

    path: Path
    image: NDArray[Any]
    output: NDArray[Any]


@pytest.fixture(scope="session", autouse=True)
def _host() -> None:
    """Prepare the host, or end the run with one line that says why this failed."""
    try:
        setup()
    except HostError as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="session", autouse=True)
def _kept_cache(_own_cache: None) -> Iterator[None]:
    """Packages for boards are downloaded once, not in every run; this cache has no tflite-runtime either."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(cache_folder() / "cache"))
        yield


@pytest.fixture(scope="session")
def board() -> Iterator[Callable[[str], Board]]:
    """Return a function from a board's name to the board that all tests share; a test that breaks one makes its own."""
    with ExitStack() as stack:
        yield cache(lambda name: stack.enter_context(fresh_board(name)))


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bundle of the bundled model, exported by the real command; not to be changed."""
    bundle = tmp_path_factory.mktemp("digits") / "digits"
    command = [sys.executable, "-m", "mixer_edge_export", "export", "--out", str(bundle)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        pytest.fail(f"{' '.join(command)}\n{finished.stderr}", pytrace=False)
    return bundle


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TinyModel]:
    """Return "float32", "int8" (integer throughout, int8 input and output) and "onnx" (the float one as ONNX file)."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    folder = tmp_path_factory.mktemp("models")
    random = np.random.default_rng(0)
    kernel, bias = (tf.constant(random.normal(size=shape), tf.float32) for shape in ((64, 32), (32,)))
    dense = tf.function(lambda x: tf.matmul(x, kernel) + bias, input_signature=[tf.TensorSpec([1, 64])])
    images = {
        "float32": random.uniform(-1, 1, (1, 64)).astype(np.float32),
        "int8": random.integers(-128, 128, (1, 64), np.int8),
    }
    models = {}
    for dtype, image in images.items():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([dense.get_concrete_function()], dense)
        if dtype == "int8":
            samples = random.uniform(-1, 1, (20, 1, 64)).astype(np.float32)
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda samples=samples: ([sample] for sample in samples)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        path = folder / f"{dtype}.tflite"
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Statistics for quantized inputs were expected")
            path.write_bytes(converter.convert())
        interpreter = Interpreter(model_path=str(path), num_threads=1)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
        interpreter.invoke()
        output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        models[dtype] = TinyModel(path=path, image=image, output=output)
    (folder / "float32.onnx").write_bytes(onnx_dense(kernel.numpy(), bias.numpy()))
    return models | {"onnx": replace(models["float32"], path=folder / "float32.onnx")}
