"""Run on the board: one .tflite file on one input; python infer.py BACKEND MODEL INPUT.npy OUTPUT.npy RUNS.

INPUT.npy may be missing: then the input is seeded noise, float in [-1, 1] or the integer type's whole range.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MODULES = {"ai-edge-litert": "ai_edge_litert.interpreter", "tflite-runtime": "tflite_runtime.interpreter"}


def noise(shape: NDArray[np.int32], dtype: type) -> NDArray[Any]:
    """Return the same noise for a shape and type every time."""
    random = np.random.default_rng(0)
    if np.issubdtype(dtype, np.integer):
        return random.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    return random.uniform(-1, 1, shape).astype(dtype)


def main(backend: str, model: str, source: str, target: str, runs: str) -> None:
    """Write the model's output for the input; each of `runs` further inferences lies between two calls of getppid.

    Two inferences come first: one allocates, and one more settles what is allocated late.
    """
    interpreter = importlib.import_module(MODULES[backend]).Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    image = np.load(source) if Path(source).exists() else noise(entry["shape"], entry["dtype"])
    interpreter.set_tensor(entry["index"], image)
    interpreter.invoke()
    interpreter.invoke()
    for _ in range(int(runs)):
        os.getppid()
        interpreter.invoke()
    os.getppid()
    np.save(target, interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
