"""Run one TFLite file with one input and one output tensor; only this module imports LiteRT or TFLite."""

from __future__ import annotations

import importlib
import importlib.util
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import InterpreterError
from mixer_edge.manifest import TensorSpec

BACKENDS = {"ai-edge-litert": "ai_edge_litert.interpreter", "tflite-runtime": "tflite_runtime.interpreter"}
"""Distribution name of each interpreter -> module to import; ``auto`` takes the first one installed."""


def installed_backends() -> list[str]:
    """Return the names of the interpreters installed here, in the order of preference, without importing them."""
    return [name for name, module in BACKENDS.items() if importlib.util.find_spec(module.split(".")[0])]


def resolve_backend(backend: str) -> str:
    """Return the name of an installed interpreter: ``backend`` itself, or the first one installed for ``auto``.

    Raises:
        InterpreterError: the name is unknown or not installed, or no interpreter is; the message says what to install.
    """
    if backend != "auto" and backend not in BACKENDS:
        raise InterpreterError(f"unknown backend {backend!r}; expected auto, {', '.join(BACKENDS)}")
    installed = installed_backends()
    if not installed:
        raise InterpreterError("no interpreter is installed; install mixer-edge[litert] (or mixer-edge[tflite])")
    if backend != "auto" and backend not in installed:
        raise InterpreterError(f"backend {backend!r} is not installed; install {backend} or choose {installed[0]}")
    return installed[0] if backend == "auto" else backend


class Interpreter:
    """Runs one TFLite file with batch size 1; threads that share it take turns."""

    def __init__(self, path: Path, *, backend: str = "auto", threads: int | None = None) -> None:
        """Load the file; ``threads`` None is the interpreter's default, one.

        Raises:
            InterpreterError: no interpreter is installed, or it cannot run the file; the message says why.
        """
        self.backend = resolve_backend(backend)
        module = _import(self.backend)
        self._lock = threading.Lock()
        self._interpreter: Any
        try:
            self._interpreter = module.Interpreter(model_path=str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
            (input_details,) = self._interpreter.get_input_details()
            (output_details,) = self._interpreter.get_output_details()
        except (RuntimeError, ValueError, OSError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InterpreterError(f"{path}: {self.backend} cannot run this file ({reason})") from None
        self._input_index, self._output_index = input_details["index"], output_details["index"]
        self.input, self.output = _tensor_spec(input_details), _tensor_spec(output_details)

    def invoke(self, tensor: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return a copy of the output for an input of exactly the shape and dtype of ``self.input``.

        Raises:
            InterpreterError: the interpreter was closed.
        """
        with self._lock:
            if self._interpreter is None:
                raise InterpreterError("the interpreter was closed; load the bundle again")
            self._interpreter.set_tensor(self._input_index, tensor)
            self._interpreter.invoke()
            output: NDArray[np.generic] = self._interpreter.get_tensor(self._output_index)
        return output

    def close(self) -> None:
        """Close the file and free its memory."""
        with self._lock:
            self._interpreter = None


def _import(backend: str) -> Any:
    if backend == "tflite-runtime" and int(np.__version__.split(".")[0]) >= 2:
        # its import would succeed, and Interpreter() then fails with "_ARRAY_API not found"
        raise InterpreterError(f"tflite-runtime needs numpy below 2, found {np.__version__}; pip install 'numpy<2'")
    try:
        return importlib.import_module(BACKENDS[backend])
    except (ImportError, OSError) as error:  # a wheel for another Python, or one that needs a newer libc
        raise InterpreterError(f"{backend} is installed but cannot be imported ({error}); install it again") from None


def _tensor_spec(details: dict[str, Any]) -> TensorSpec:
    scale, zero_point = details["quantization"]
    return TensorSpec(
        name=details["name"],
        dtype=np.dtype(details["dtype"]).name,
        shape=tuple(int(size) for size in details["shape"]),
        scale=float(scale) if scale else None,
        zero_point=int(zero_point) if scale else None,
    )
