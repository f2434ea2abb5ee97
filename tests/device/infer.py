"""Run on the board: one .tflite file on one input; python infer.py BACKEND MODEL INPUT.npy OUTPUT.npy RUNS."""

import importlib
import os
import sys

import numpy as np

MODULES = {"ai-edge-litert": "ai_edge_litert.interpreter", "tflite-runtime": "tflite_runtime.interpreter"}


def main(backend: str, model: str, source: str, target: str, runs: str) -> None:
    """Write the model's output for the input; each of `runs` further inferences lies between two calls of getppid.

    Two inferences come first: one allocates, and one more settles what is allocated late.
    """
    interpreter = importlib.import_module(MODULES[backend]).Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.load(source))
    interpreter.invoke()
    interpreter.invoke()
    for _ in range(int(runs)):
        os.getppid()
        interpreter.invoke()
    os.getppid()
    np.save(target, interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
