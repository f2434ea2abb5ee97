"""Which interpreter runs a file, and the message if none does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mixer_edge import interpreter
from mixer_edge.errors import InterpreterError
from mixer_edge.interpreter import Interpreter, installed_backends, resolve_backend


def refusal(path: Path, backend: str = "auto") -> str:
    """Return the error message for an interpreter."""
    with pytest.raises(InterpreterError) as error:
        Interpreter(path, backend=backend)
    return str(error.value)


@pytest.fixture
def fake_tflite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package called tflite_runtime whose import fails; the folder of its module."""
    package = tmp_path / "site" / "tflite_runtime"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "interpreter.py").write_text("raise ImportError('version `GLIBC_2.34` not found')\n")
    monkeypatch.syspath_prepend(str(package.parent))
    yield package
    sys.modules.pop("tflite_runtime", None)


def test_auto_prefers_ai_edge_litert(fake_tflite: Path) -> None:
    """Both are installed: the faster one is the default, the other one is used by name."""
    assert installed_backends() == ["ai-edge-litert", "tflite-runtime"]
    assert resolve_backend("auto") == "ai-edge-litert"
    assert resolve_backend("tflite-runtime") == "tflite-runtime"


def test_tflite_runtime_with_numpy_2_names_the_remedy(
    tiny_bundle: Path, fake_tflite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error comes before the import, which would succeed and fail later with ``_ARRAY_API not found``."""
    monkeypatch.setattr(np, "__version__", "2.1.0")
    assert refusal(tiny_bundle / "int8.tflite", "tflite-runtime") == (
        "tflite-runtime needs numpy below 2, found 2.1.0; pip install 'numpy<2'"
    )


def test_an_interpreter_that_cannot_be_imported_says_why(
    tiny_bundle: Path, fake_tflite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel that needs a newer libc fails in its import."""
    monkeypatch.setattr(np, "__version__", "1.26.4")
    assert refusal(tiny_bundle / "int8.tflite", "tflite-runtime") == (
        "tflite-runtime is installed but cannot be imported (version `GLIBC_2.34` not found); install it again"
    )


def test_without_any_interpreter_the_extras_are_named(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is installed: the message says what to install."""
    monkeypatch.setattr(interpreter, "BACKENDS", {"ai-edge-litert": "no_such_module_here"})
    assert refusal(tiny_bundle / "int8.tflite") == (
        "no interpreter is installed; install mixer-edge[litert] (or mixer-edge[tflite])"
    )


def test_an_unknown_and_a_missing_backend_are_named(tiny_bundle: Path) -> None:
    """An unknown name, and one that is not installed here."""
    path = tiny_bundle / "int8.tflite"
    assert refusal(path, "onnx") == "unknown backend 'onnx'; expected auto, ai-edge-litert, tflite-runtime"
    assert refusal(path, "tflite-runtime") == (
        "backend 'tflite-runtime' is not installed; install tflite-runtime or choose ai-edge-litert"
    )


def test_a_file_that_is_no_model_is_refused_in_one_line(tmp_path: Path) -> None:
    """The message has the interpreter's reason."""
    path = tmp_path / "a.tflite"
    path.write_bytes(b"nothing")
    assert refusal(path) == (
        f"{path}: ai-edge-litert cannot run this file (The model is not a valid Flatbuffer buffer)"
    )


def test_invoke_gives_a_copy(tiny_bundle: Path) -> None:
    """A second inference does not change the answer of the first."""
    model = Interpreter(tiny_bundle / "float32.tflite")
    first = model.invoke(np.zeros(model.input.shape, np.float32))
    kept = first.copy()
    model.invoke(np.ones(model.input.shape, np.float32))
    np.testing.assert_array_equal(first, kept)
