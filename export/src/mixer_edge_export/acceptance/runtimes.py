"""The runtimes that a board may have; the export runs every file in each of them, in a separate process.

A file's declared op versions prove nothing: one runtime refuses it, another crashes, a third returns wrong numbers
without an error. So every file is run in every runtime, and its outputs are compared with the reference.

ai-edge-litert is a dependency of the export. tflite-runtime needs numpy below 2 and Python up to 3.11, so it has its
own environment, which ``mixer-edge-export runtimes`` makes.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from math import isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.cache import cache_folder
from mixer_edge.errors import InterpreterError
from mixer_edge.manifest import RuntimeSpec, RuntimeStatus, TensorSpec
from mixer_edge.metrics import relative_error
from mixer_edge.tensors import dequantize
from mixer_edge_export.acceptance import run_file
from mixer_edge_export.acceptance.agreement import disagreement
from mixer_edge_export.files import new_folder

LITERT, TFLITE = "ai-edge-litert", "tflite-runtime"
TFLITE_VERSION = "2.14.0"
TFLITE_REQUIREMENTS = (f"{TFLITE}=={TFLITE_VERSION}", "numpy==1.26.4")
NEWEST_PYTHON = (3, 11)
"""The newest Python for which tflite-runtime has a wheel."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """A runtime; ``python`` is None if it is not installed."""

    name: str
    version: str
    python: Path | None


def runtime_folder() -> Path:
    """Return the folder of tflite-runtime's environment, in the user's cache."""
    return cache_folder("runtimes") / f"{TFLITE}-{TFLITE_VERSION}"


def find_runtimes() -> tuple[Runtime, ...]:
    """Return both runtimes, installed or not."""
    python = runtime_folder() / "bin" / "python"
    return (
        Runtime(name=LITERT, version=version(LITERT), python=Path(sys.executable)),
        Runtime(name=TFLITE, version=TFLITE_VERSION, python=python if python.exists() else None),
    )


def install_tflite() -> Path:
    """Return the folder of tflite-runtime's environment; create it if it does not exist.

    Raises:
        InterpreterError: there is no Python for which it has a wheel, or its installation failed.
    """
    folder = runtime_folder()
    if (folder / "bin" / "python").exists():
        return folder
    names = [f"python3.{minor}" for minor in range(NEWEST_PYTHON[1], 8, -1)]
    found = [path for path in map(shutil.which, names) if path]
    if sys.version_info[:2] <= NEWEST_PYTHON:
        found.insert(0, sys.executable)
    if not found:
        newest = ".".join(map(str, NEWEST_PYTHON))
        raise InterpreterError(f"{TFLITE} needs Python {newest} or older; install one, or add it to PATH")
    with new_folder(folder) as partial:
        for command in (
            [found[0], "-m", "venv", str(partial)],
            [str(partial / "bin" / "python"), "-m", "pip", "install", "--quiet", *TFLITE_REQUIREMENTS],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                raise InterpreterError(
                    f"{folder}: `{' '.join(command)}` failed ({last}); run `mixer-edge-export runtimes` again"
                )
    return folder


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The inputs of a file and its expected outputs."""

    tensors: NDArray[np.generic]
    """``[n, ...]`` inputs in the file's dtype."""
    output: TensorSpec
    """The file's output tensor."""
    reference: NDArray[np.float32]
    """``[n, ...]``, the expected outputs."""
    max_error: float
    """Largest error allowed."""


def try_file(path: Path, runtime: Runtime, expected: Expected) -> tuple[RuntimeSpec, NDArray[np.generic] | None]:
    """Run a file in a runtime; return the verdict, and the raw outputs ``[n, ...]`` if it ran to the end."""

    def verdict(status: RuntimeStatus, reason: str | None, error: float | None = None) -> RuntimeSpec:
        return RuntimeSpec(version=runtime.version, status=status, reason=reason, max_error=error)

    if runtime.python is None:
        return verdict("unchecked", "not installed on the workstation (mixer-edge-export runtimes)"), None
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = Path(folder) / "inputs.npy", Path(folder) / "outputs.npy"
        np.save(inputs, expected.tensors)
        command = [str(runtime.python), "-I", run_file.__file__, str(path), str(inputs), str(outputs)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode < 0:
            return verdict("refused", f"it crashes with {signal.Signals(-done.returncode).name}"), None
        if done.returncode:
            return verdict("refused", _reason(done.stderr)), None
        raw = np.load(outputs)
    found = dequantize(raw, expected.output)
    error = relative_error(found, expected.reference)
    if reason := disagreement(found, expected.reference, expected.max_error):
        return verdict("refused", f"wrong numbers, {reason}", error if isfinite(error) else None), raw
    return verdict("ok", None, error), raw


def _reason(log: str) -> str:
    """Return the message of the exception at the end of a Python log, in one line and without its class."""
    lines = [line.strip() for line in log.split("Traceback", 1)[-1].splitlines() if line.strip()]
    start = next(
        (i for i, line in enumerate(lines) if line.split(":")[0].endswith(("Error", "Exception"))), len(lines) - 1
    )
    return " ".join(lines[start:]).partition(": ")[2][:200] or "no message"
