"""Run on the board: one model on one input; python infer.py BACKEND MODEL INPUT.npy OUTPUT.npy RUNS.

If INPUT.npy does not exist, the input is seeded noise: float in [-1, 1], or the full range of the integer type.
"""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MODULES = {"ai-edge-litert": "ai_edge_litert.interpreter", "tflite-runtime": "tflite_runtime.interpreter"}
ONNX_TYPES = {"tensor(float)": np.float32, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8}
Loaded = tuple[Callable[[], object], Callable[[], NDArray[Any]]]
"""What makes one inference on the input, and what returns its output."""


def read(source: str, shape: Sequence[int], dtype: Any) -> NDArray[Any]:
    """Return the file's array, or without a file noise that depends only on the shape and type."""
    if Path(source).exists():
        array: NDArray[Any] = np.load(source)
        return array
    random = np.random.default_rng(0)
    if np.issubdtype(dtype, np.integer):
        return random.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    return random.uniform(-1, 1, shape).astype(dtype)


def load_tflite(backend: str, model: str, source: str) -> Loaded:
    """Load a .tflite file and its input."""
    interpreter = importlib.import_module(MODULES[backend]).Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    entry, output = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.set_tensor(entry["index"], read(source, entry["shape"], entry["dtype"]))
    return interpreter.invoke, lambda: interpreter.get_tensor(output["index"])


def load_onnx(model: str, source: str) -> Loaded:
    """Load an .onnx file and its input."""
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    entry, binding = session.get_inputs()[0], session.io_binding()
    binding.bind_cpu_input(entry.name, read(source, entry.shape, ONNX_TYPES[entry.type]))
    binding.bind_output(session.get_outputs()[0].name)
    return lambda: session.run_with_iobinding(binding), lambda: binding.copy_outputs_to_cpu()[0]


def main(backend: str, model: str, source: str, target: str, runs: str) -> None:
    """Write the model's output for the input; each of `runs` further inferences lies between two calls of getppid.

    Two inferences come first: one allocates, and one more settles what is allocated late.
    """
    onnx = backend == "onnxruntime"
    invoke, output = load_onnx(model, source) if onnx else load_tflite(backend, model, source)
    invoke()
    invoke()
    for _ in range(int(runs)):
        os.getppid()
        invoke()
    os.getppid()
    np.save(target, output())


if __name__ == "__main__":
    main(*sys.argv[1:])
