"""One network in one tool, in a separate process that answers requests, line by line.

``python worker.py KIND MODEL THREADS`` loads MODEL and answers every JSON line of standard input with one of standard
output; what a library prints goes to standard error.

    {"pixels": "in.npy", "outputs": "out.npy"}   runs uint8 ``[n, H, W, 3]``, writes float32 ``[n, classes]``
    {"run": 3}                                   seconds of three inferences: {"wall": [...], "cpu": [...]}
    {"label": "photo.jpg"}                       seconds of file to label, and the label

``python worker.py KIND MODEL THREADS --photo photo.jpg`` prints the label and the peak resident memory in MiB, and
ends: the script that a user of that tool would write. It imports the project only if KIND is mixer-edge.
"""

import argparse
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Run = Callable[[np.ndarray], np.ndarray]


def normalize(pixels: np.ndarray) -> np.ndarray:
    """Return uint8 pixels as float32 in [-1, 1]."""
    return pixels / np.float32(127.5) - np.float32(1)


def _interpreter(module: Any, path: str, threads: int, lossless: bool) -> tuple[Run, Run, int]:
    interpreter = module.Interpreter(model_path=path, num_threads=threads)
    interpreter.allocate_tensors()
    (entry,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()

    def prepare(pixels: np.ndarray) -> np.ndarray:
        if not np.issubdtype(entry["dtype"], np.integer):
            return normalize(pixels)
        if lossless:
            return (pixels ^ 0x80).view(np.int8)  # pixel - 128
        scale, zero_point = entry["quantization"]
        bounds = np.iinfo(entry["dtype"])
        return np.clip(np.rint(normalize(pixels) / scale) + zero_point, bounds.min, bounds.max).astype(entry["dtype"])

    def run(image: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(entry["index"], image)
        interpreter.invoke()
        output = interpreter.get_tensor(result["index"])
        if result["quantization"][0]:
            scale, zero_point = result["quantization"]
            return (output.astype(np.float32) - zero_point) * np.float32(scale)
        return output

    return prepare, run, entry["shape"][1]


def litert(path: str, threads: int, lossless: bool) -> tuple[Run, Run, int]:
    """ai-edge-litert's interpreter."""
    from ai_edge_litert import interpreter

    return _interpreter(interpreter, path, threads, lossless)


def tflite(path: str, threads: int, lossless: bool) -> tuple[Run, Run, int]:
    """tflite-runtime's interpreter."""
    from tflite_runtime import interpreter

    return _interpreter(interpreter, path, threads, lossless)


def tensorflow(path: str, threads: int, lossless: bool) -> tuple[Run, Run, int]:
    """The interpreter inside the tensorflow package."""
    import tensorflow as tf

    return _interpreter(tf.lite, path, threads, lossless)


def onnx(path: str, threads: int, _lossless: bool) -> tuple[Run, Run, int]:
    """ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return normalize, lambda image: session.run(None, {"images": image})[0], session.get_inputs()[0].shape[1]


def openvino(path: str, threads: int, _lossless: bool) -> tuple[Run, Run, int]:
    """OpenVINO; held to float32 arithmetic, which it would leave for bfloat16 where the processor has that."""
    import openvino

    options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(path, "CPU", options).create_infer_request()
    return normalize, lambda image: request.infer({0: image})[0], request.get_input_tensor().shape[1]


def torch(path: str, threads: int, _lossless: bool) -> tuple[Run, Run, int]:
    """PyTorch, eager, from the weights."""
    import torch
    from torch_mixer import Mixer

    torch.set_num_threads(threads)
    mixer = Mixer(dict(np.load(path)))
    return normalize, lambda image: mixer(torch.from_numpy(image)).numpy(), mixer.image_size


def blas(path: str, threads: int, _lossless: bool) -> tuple[Run, Run, int]:
    """The bare matrix products of the network in numpy's BLAS: no bias, no GELU, no LayerNorm. A floor, no network."""
    products = []
    weights = np.load(path)
    tokens = weights["MixerBlock_0/token_mixing/Dense_0/kernel"].shape[0]
    hidden = weights["stem/kernel"].shape[-1]
    for key in weights:
        if key.endswith("/kernel"):
            kernel = weights[key].reshape(-1, weights[key].shape[-1])
            rows = 1 if key.startswith("head") else hidden if "token_mixing" in key else tokens
            products.append((np.ones((rows, len(kernel)), np.float32), kernel))

    def run(image: np.ndarray) -> np.ndarray:
        for left, right in products:
            output = left @ right
        return output

    return normalize, run, math.isqrt(tokens) * len(weights["stem/kernel"])


KINDS = {kind.__name__: kind for kind in (litert, tflite, tensorflow, onnx, openvino, torch, blas)}


def pillow_label(prepare: Run, run: Run, size: int) -> Callable[[str], int]:
    """Return what a script does with a photo: Pillow's resize, the network, the largest logit."""

    def label(photo: str) -> int:
        from PIL import Image  # tflite-runtime's environment has none, and is asked for none

        image = Image.open(photo).convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
        return int(run(prepare(np.asarray(image)[np.newaxis]))[0].argmax())

    return label


def mixer_edge_label(model: str, threads: int) -> Callable[[str], int]:
    """Return the project's own way from a photo to a label; ``model`` is ``BUNDLE:VARIANT``."""
    import mixer_edge

    bundle, _, variant = model.rpartition(":")
    classifier = mixer_edge.Classifier.load(bundle, variant, threads=threads)
    return lambda photo: classifier.classify(photo)[0].index


def timed(call: Callable[..., object], argument: object) -> tuple[float, float, object]:
    """Return the wall time and the processor time of all threads in seconds, and what the call returned."""
    wall, cpu = time.perf_counter(), time.process_time()
    returned = call(argument)
    return time.perf_counter() - wall, time.process_time() - cpu, returned


def main() -> None:
    """Load, then answer requests until there are no more."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=[*KINDS, "mixer-edge"])
    parser.add_argument("model")
    parser.add_argument("threads", type=int)
    parser.add_argument("--lossless", action="store_true", help="its int8 input is pixel - 128")
    parser.add_argument("--photo", help="print this photo's label and end")
    arguments = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    if arguments.kind == "mixer-edge":
        label = mixer_edge_label(arguments.model, arguments.threads)
    else:
        prepare, run, size = KINDS[arguments.kind](arguments.model, arguments.threads, arguments.lossless)
        label = pillow_label(prepare, run, size)
    if arguments.photo:
        found = label(arguments.photo)
        peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
        print(json.dumps({"label": found, "peak_mib": peak}), file=answers)
        return
    image = None
    for line in sys.stdin:
        request = json.loads(line)
        if "pixels" in request:
            inputs = [prepare(pixels[np.newaxis]) for pixels in np.load(request["pixels"])]
            np.save(request["outputs"], np.concatenate([run(each) for each in inputs]))
            image = inputs[0]
            answer = {}
        elif "label" in request:
            wall, cpu, found = timed(label, request["label"])
            answer = {"wall": [wall], "cpu": [cpu], "label": found}
        else:
            times = [timed(run, image) for _ in range(request["run"])]
            answer = {"wall": [one[0] for one in times], "cpu": [one[1] for one in times]}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
