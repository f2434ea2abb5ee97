"""The facts about a file, as text and as JSON."""

import json
from dataclasses import asdict
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
    path = tiny_bundle / "int8-integer.tflite"
    assert main(["inspect", str(path)]) == 0
    facts = inspect_file(path)
    assert facts.partitions > 1
    assert capsys.readouterr().out.splitlines() == [
        f"size         {path.stat().st_size:,} bytes",
        "input        serving_default_images:0 [1, 64, 64, 3] int8, scale 0.00784314, zero point 0",
        f"output       PartitionedCall:0 [1, 10] int8, scale {facts.output.scale:.6g}, zero point "
        f"{facts.output.zero_point}",
        f"partitions   {facts.partitions} of XNNPACK, the rest runs on builtin kernels",
        "in float     none; 0 tensors",
        "declares     TensorFlow Lite 2.9",
        "operators    count  version",
        "  ADD                  11        1",
        "  CONV_2D               1        1",
        "  FULLY_CONNECTED       9        5",
        "  GELU                  4        1",
        "  MEAN                  8        1",
        "  MUL                  12        1",
        "  RESHAPE               2        1",
        "  RSQRT                 5        1",
        "  SUB                   2        1",
        "  TRANSPOSE             4        1",
    ]


def test_a_float_file_is_one_partition(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has no scale, and all its operators are in float."""
    assert main(["inspect", str(tiny_bundle / "float32.tflite")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:5] == [
        "input        serving_default_images:0 [1, 64, 64, 3] float32",
        "output       PartitionedCall:0 [1, 10] float32",
        "partitions   1 of XNNPACK, from input to output",
        "in float     11 ADD, 1 CONV_2D, 9 FULLY_CONNECTED, 4 GELU, 8 MEAN, 12 MUL, 2 RESHAPE, 5 RSQRT, 2 SUB, "
        f"4 TRANSPOSE; {inspect_file(tiny_bundle / 'float32.tflite').float_tensors} tensors",
    ]


def test_the_facts_as_json(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same facts under their names."""
    assert main(["inspect", str(tiny_bundle / "int8.tflite"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts == json.loads(json.dumps(asdict(inspect_file(tiny_bundle / "int8.tflite"))))
    assert (facts["input"]["dtype"], facts["float_operators"]["GELU"], facts["min_runtime"]) == ("int8", 4, "2.9")


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
    """A truncated file is one line with its path."""
    path = tmp_path / "a.tflite"
    path.write_bytes((tiny_features / "float32.tflite").read_bytes()[:1000])
    assert main(["inspect", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {path}: the operator codes cannot be read (")
    assert line.endswith("); the file is damaged, export it again")
