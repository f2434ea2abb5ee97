"""A script that runs one TFLite file in the runtime that this Python has, in a separate process.

``python run_file.py MODEL INPUTS.npy OUTPUTS.npy``: ``INPUTS`` is ``[n, ...]`` in the file's own dtype, ``OUTPUTS`` its
outputs. It needs only numpy and a runtime, so it also runs without mixer-edge.
"""

import sys

import numpy as np

try:
    from tflite_runtime.interpreter import Interpreter
except ImportError:
    from ai_edge_litert.interpreter import Interpreter


def main(model: str, inputs: str, outputs: str) -> None:
    """Write the outputs."""
    interpreter = Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    (input_details,), (output_details,) = interpreter.get_input_details(), interpreter.get_output_details()
    results = []
    for tensor in np.load(inputs):
        interpreter.set_tensor(input_details["index"], tensor[np.newaxis])
        interpreter.invoke()
        results.append(interpreter.get_tensor(output_details["index"])[0])
    np.save(outputs, np.stack(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
