"""Files run in runtimes, in separate processes: the verdict in the manifest, and how the classifier uses it."""

import re
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from mixer_edge.bundle import Bundle
from mixer_edge.classifier import Classifier
from mixer_edge.errors import InterpreterError
from mixer_edge.interpreter import Interpreter
from mixer_edge.manifest import MANIFEST_NAME, RuntimeSpec
from mixer_edge.preprocess import normalize
from mixer_edge.tensors import quantize
from mixer_edge_export.acceptance import runtimes
from mixer_edge_export.acceptance.runtimes import (
    Expected,
    Runtime,
    find_runtimes,
    install_tflite,
    runtime_folder,
    try_file,
)
from mixer_edge_export.quantize.variants import VARIANTS

HERE = Runtime(name="ai-edge-litert", version="2.3.0", python=Path(sys.executable))


def attempt(bundle: Path, variant: str, runtime: Runtime, path: Path | None = None) -> RuntimeSpec:
    """Return the verdict on a variant's file, or on another one in its place, with the bundle's golden pictures."""
    opened = Bundle.open(bundle)
    spec, golden = opened.manifest.variant(variant), opened.golden()
    tensors = quantize(normalize(golden["images"], opened.manifest.preprocess_of(variant)), spec.input)
    expected = Expected(tensors=tensors, output=spec.output, reference=golden["reference"], max_error=0.45)
    return try_file(path or bundle / spec.file.name, runtime, expected)[0]


def fake(folder: Path, script: str) -> Runtime:
    """Return a runtime whose Python is a shell script."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Runtime(name="tflite-runtime", version="2.14.0", python=path)


def test_a_file_that_runs(tiny_bundle: Path) -> None:
    """Status ok and the difference to the reference, none for the file that the reference is close to."""
    found = attempt(tiny_bundle, "float32", HERE)
    assert (found.status, found.reason) == ("ok", None)
    assert found.max_error is not None
    assert found.max_error < 1e-5


def test_a_file_that_the_runtime_refuses(tiny_bundle: Path, tmp_path: Path) -> None:
    """The runtime's own message is the reason."""
    path = tmp_path / "broken.tflite"
    path.write_bytes((tiny_bundle / "float32.tflite").read_bytes()[:5000])
    found = attempt(tiny_bundle, "float32", HERE, path)
    assert (found.status, found.max_error) == ("refused", None)
    assert found.reason == "The model is not a valid Flatbuffer buffer"


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (
            "INFO: ready\nTraceback (most recent call last):\n  File x\nValueError: one\n  two: three\n",
            "one two: three",
        ),
        ("a.b.OddException: why\n", "why"),
        (f"RuntimeError: {'long ' * 100}", ("long " * 100)[:200]),
        ("killed\n", "no message"),
    ],
)
def test_the_reason_is_the_exceptions_message(tiny_bundle: Path, tmp_path: Path, log: str, reason: str) -> None:
    """All its lines as one of at most 200 characters; without an exception, the reason says so."""
    (tmp_path / "log").write_text(log)
    found = attempt(tiny_bundle, "float32", fake(tmp_path, f"cat {tmp_path}/log >&2; exit 1"))
    assert (found.status, found.reason, found.max_error) == ("refused", reason, None)


def test_a_crash_is_a_verdict(tiny_bundle: Path, tmp_path: Path) -> None:
    """A crash ends the run, not the export."""
    found = attempt(tiny_bundle, "float32", fake(tmp_path, "kill -SEGV $$"))
    assert (found.status, found.reason) == ("refused", "it crashes with SIGSEGV")


def test_wrong_numbers_are_a_verdict(tiny_bundle: Path, tmp_path: Path) -> None:
    """The file of another model runs, but its outputs are wrong."""
    golden = Bundle.open(tiny_bundle).golden()
    np.save(tmp_path / "wrong.npy", -golden["float32"])
    found = attempt(tiny_bundle, "float32", fake(tmp_path, f'cp {tmp_path}/wrong.npy "$5"'))
    assert (found.status, found.reason) == (
        "refused",
        "wrong numbers, off by 2 of the largest output, expected at most 0.45",
    )
    assert found.max_error == pytest.approx(2, rel=1e-3)


def test_a_runtime_that_is_not_there_is_not_checked(tiny_bundle: Path) -> None:
    """The status is unchecked."""
    found = attempt(tiny_bundle, "float32", Runtime(name="tflite-runtime", version="2.14.0", python=None))
    assert found == RuntimeSpec(
        version="2.14.0",
        status="unchecked",
        reason="not installed on the workstation (mixer-edge-export runtimes)",
        max_error=None,
    )


def test_the_bundle_says_where_each_file_runs(tiny_bundle: Path) -> None:
    """Every variant has a verdict for both runtimes: ok for the one that is here, unchecked for the one that is not."""
    for variant in Bundle.open(tiny_bundle).manifest.variants:
        here, not_here = variant.runtimes["ai-edge-litert"], variant.runtimes["tflite-runtime"]
        assert set(variant.runtimes) == {"ai-edge-litert", "tflite-runtime"}
        assert (here.version, here.status, here.reason) == (version("ai-edge-litert"), "ok", None)
        assert here.max_error is not None
        assert 0 <= here.max_error <= VARIANTS[variant.name].max_error
        assert not_here == RuntimeSpec(
            version="2.14.0",
            status="unchecked",
            reason="not installed on the workstation (mixer-edge-export runtimes)",
            max_error=None,
        )


def test_a_refused_file_is_not_loaded(bundle: Path) -> None:
    """The classifier gives the manifest's reason and the variants that do run, and never opens the file."""
    opened = Bundle.open(bundle)
    refused = RuntimeSpec(version="2.3.0", status="refused", reason="it crashes with SIGSEGV", max_error=None)
    variants = tuple(
        replace(variant, runtimes={**variant.runtimes, "ai-edge-litert": refused})
        if variant.name == "int8"
        else variant
        for variant in opened.manifest.variants
    )
    (bundle / MANIFEST_NAME).write_bytes(replace(opened.manifest, variants=variants).to_bytes())
    (bundle / "int8.tflite").unlink()
    with pytest.raises(InterpreterError) as error:
        Classifier.load(bundle, backend="ai-edge-litert")
    assert str(error.value) == (
        f"{bundle / 'int8.tflite'}: not for ai-edge-litert: it crashes with SIGSEGV; "
        "choose float32, float16, int8-dynamic, int8-integer, int16-integer"
    )


def test_tflite_runtime_needs_an_old_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If neither this Python nor one on the PATH is old enough, one line says which one is."""
    monkeypatch.setenv("MIXER_EDGE_CACHE", str(tmp_path))
    monkeypatch.setattr(runtimes, "NEWEST_PYTHON", (3, 1))
    monkeypatch.setattr(runtimes.shutil, "which", lambda name: None)
    with pytest.raises(InterpreterError) as error:
        install_tflite()
    assert str(error.value) == "tflite-runtime needs Python 3.1 or older; install one, or add it to PATH"
    assert runtime_folder() == tmp_path / "runtimes" / "tflite-runtime-2.14.0"
    assert find_runtimes()[1] == Runtime(name="tflite-runtime", version="2.14.0", python=None)


@pytest.mark.skipif(sys.version_info[:2] > (3, 11), reason="tflite-runtime has no wheel for this Python")
def test_tflite_runtime_runs_what_it_can_and_is_spared_the_rest(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an environment of its own: static int8 runs there, dynamic int8 gives wrong numbers, int16 is refused."""
    monkeypatch.setenv("MIXER_EDGE_CACHE", str(tmp_path))
    install_tflite()
    _, tflite = find_runtimes()
    assert tflite.python == tmp_path / "runtimes" / "tflite-runtime-2.14.0" / "bin" / "python"
    found = {name: attempt(tiny_bundle, name, tflite) for name in ("float32", "float16", "int8", "int8-integer")}
    assert {name: (spec.status, spec.reason) for name, spec in found.items()} == dict.fromkeys(found, ("ok", None))
    dynamic, integer = (attempt(tiny_bundle, name, tflite) for name in ("int8-dynamic", "int16-integer"))
    assert (dynamic.status, integer.status) == ("refused", "refused")
    assert re.fullmatch(
        r"wrong numbers, off by \S+ of the largest output, expected at most 0\.45", dynamic.reason or ""
    )
    assert integer.reason == (
        "/tensorflow/tensorflow/lite/kernels/quantize.cc:136 output->type == kTfLiteUInt8 || output->type == "
        "kTfLiteInt8 was not true.Node number 3 (QUANTIZE) failed to prepare."
    )


def test_the_reference_interpreter_is_the_runtime_of_the_board(tiny_bundle: Path) -> None:
    """A separate process computes the same as the device's code, bit for bit."""
    opened = Bundle.open(tiny_bundle)
    golden = opened.golden()
    interpreter = Interpreter(tiny_bundle / "int8.tflite", backend="ai-edge-litert")
    tensors = quantize(normalize(golden["images"], opened.manifest.preprocess_of("int8")), interpreter.input)
    for tensor, output in zip(tensors, golden["int8"], strict=True):
        np.testing.assert_array_equal(interpreter.invoke(tensor[np.newaxis])[0], output)
