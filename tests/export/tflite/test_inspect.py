"""The facts of a file, as a person and as a machine read them."""

import json
from pathlib import Path

import pytest

from mixer_edge_export.cli import main
from mixer_edge_export.tflite.inspect import NEWER, inspect_file, min_runtime


def test_a_float_file(tiny_bundle: Path) -> None:
    """Two blocks and a head: nine dense layers, four GELU, all of it in float and in one partition."""
    facts = inspect_file(tiny_bundle / "float32.tflite")
    assert facts.size_bytes == (tiny_bundle / "float32.tflite").stat().st_size
    assert facts.operators == {
        "ADD": 11,
        "CONV_2D": 1,
        "FULLY_CONNECTED": 9,
        "GELU": 4,
        "MEAN": 8,
        "MUL": 12,
        "RESHAPE": 2,
        "RSQRT": 5,
        "SUB": 2,
        "TRANSPOSE": 4,
    }
    assert facts.float_operators == facts.operators
    assert (facts.partitions, facts.fully_delegated, facts.min_runtime) == (1, True, "2.9")


def test_the_printed_facts(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One fact per line, then the operators with their counts and versions."""
    assert main(["inspect", str(tiny_bundle / "int8-integer.tflite")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[:7]] == [
        "size",
        "input",
        "output",
        "partitions",
        "in float",
        "declares",
        "operators",
    ]
    assert lines[1].endswith("[1, 64, 64, 3] int8, scale 0.00784314, zero point 0")
    assert lines[4] == "in float     none; 0 tensors"
    assert lines[7].split()[:2] == ["ADD", "11"]


def test_the_facts_as_json(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same facts under their names."""
    assert main(["inspect", str(tiny_bundle / "int8.tflite"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["input"]["dtype"] == "int8"
    assert facts["fully_delegated"] is True
    assert facts["float_operators"]["GELU"] == 4


def test_the_minimum_runtime_is_the_latest_of_the_operators() -> None:
    """Dense layers of version 5 came with 2.0, GELU with 2.9; a version that the table lacks is newer than it."""
    assert min_runtime({"CONV_2D": 3, "FULLY_CONNECTED": 5}) == "2.0"
    assert min_runtime({"FULLY_CONNECTED": 5, "GELU": 1}) == "2.9"
    assert min_runtime({"MUL": 2, "RSQRT": 1}) == "1.14"
    assert min_runtime({"FULLY_CONNECTED": 12}) == NEWER
    assert min_runtime({"STABLEHLO_ADD": 1}) == NEWER


def test_what_is_no_tflite_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file and another kind of file are one line each."""
    path = tmp_path / "a.tflite"
    assert main(["inspect", str(path)]) == 2
    path.write_text("not a model")
    assert main(["inspect", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"error: {path}: no such file; expected a .tflite file\n"
        f"error: {path}: not a TFLite file; expected a .tflite file\n"
    )


def test_a_damaged_file(tiny_features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that was copied in part is one line with its path."""
    path = tmp_path / "a.tflite"
    path.write_bytes((tiny_features / "float32.tflite").read_bytes()[:1000])
    assert main(["inspect", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {path}: the operator codes cannot be read (")
    assert line.endswith("); the file is damaged, export it again")
