"""Facts about a TFLite file: its input and output, its operators and where they run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mixer_edge.errors import ModelError
from mixer_edge.interpreter import Interpreter
from mixer_edge.manifest import TensorSpec
from mixer_edge_export.tflite.graph import Graph, Operator, Tensor

CONVERSIONS = {"DEQUANTIZE", "QUANTIZE"}
MIN_RUNTIME: dict[str, tuple[str, ...]] = {
    "ADD": ("1.5", "1.14", "2.4", "2.6"),
    "CONV_2D": ("1.5", "1.14", "1.14", "2.3", "2.4", "2.9"),
    "DEQUANTIZE": ("1.13.1", "1.14", "1.15", "2.2", "2.7"),
    "FULLY_CONNECTED": ("1.5", "1.10", "1.14", "1.14", "2.0", "2.1", "2.3", "2.3", "2.3"),
    "GELU": ("2.9", "2.9"),
    "MEAN": ("1.6", "1.14", "2.4"),
    "MUL": ("1.5", "1.14", "1.15", "2.3", "2.6"),
    "QUANTIZE": ("1.14", "1.15", "2.7"),
    "RESHAPE": ("1.5",),
    "RSQRT": ("1.10", "2.5"),
    "SUB": ("1.6", "1.14", "2.3", "2.4", "2.4"),
    "TRANSPOSE": ("1.6", "1.14", "1.15", "2.3", "2.4"),
}
"""Operator -> first TensorFlow Lite that has version 1, 2, ... of it (TensorFlow's versioning/runtime_version.cc)."""
NEWER = "newer than 2.9"


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """What is in a file and how ai-edge-litert runs it here."""

    size_bytes: int
    input: TensorSpec
    output: TensorSpec
    operators: dict[str, int]
    """Operator -> its number in the file."""
    versions: dict[str, int]
    """Operator -> the version that the file requires; only a run proves that a runtime supports it."""
    float_tensors: int
    """Number of float tensors: 0 in an integer-only file."""
    float_operators: dict[str, int]
    """Operator -> the number that compute in float; conversions to and from integers do not count."""
    partitions: int
    """XNNPACK partitions, each a part of the graph that runs without interruption."""
    fully_delegated: bool
    """Whether one partition covers the graph from input to output."""
    min_runtime: str
    """First TensorFlow Lite that declares these versions; only a run proves that it supports them."""


def inspect_file(path: Path) -> FileFacts:
    """Return the facts of the TFLite file at ``path``, which is loaded but not run.

    Raises:
        ModelError: there is no such file, or it is not a TFLite file or is damaged.
        InterpreterError: ai-edge-litert cannot load it.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected a .tflite file")
    content = path.read_bytes()
    graph = Graph.read(content, str(path))
    loaded = Interpreter(path, backend="ai-edge-litert")
    # only the interpreter knows which operators XNNPACK runs
    partitions = [op for op in loaded._interpreter._get_ops_details() if op["op_name"] == "DELEGATE"]
    computing = [op for op in graph.operators if op.name not in CONVERSIONS]
    return FileFacts(
        size_bytes=len(content),
        input=loaded.input,
        output=loaded.output,
        operators=_count(graph.operators),
        versions=dict(graph.versions),
        float_tensors=sum(_is_float(tensor) for tensor in graph.tensors),
        float_operators=_count(op for op in computing if any(map(_is_float, op.outputs))),
        partitions=len(partitions),
        fully_delegated=(
            len(partitions) == 1
            and loaded._input_index in partitions[0]["inputs"]
            and loaded._output_index in partitions[0]["outputs"]
        ),
        min_runtime=min_runtime(graph.versions),
    )


def min_runtime(versions: Mapping[str, int]) -> str:
    """Return the first TensorFlow Lite that has these operators, or ``NEWER`` if one is not in the table."""
    first = "1.5"
    for name, version in versions.items():
        known = MIN_RUNTIME.get(name, ())
        if version > len(known):
            return NEWER
        first = max(first, known[version - 1], key=lambda text: [int(part) for part in text.split(".")])
    return first


def format_facts(facts: FileFacts) -> str:
    """Return the facts as text for a terminal, without a newline at the end."""

    def tensor(spec: TensorSpec) -> str:
        steps = "" if spec.scale is None else f", scale {spec.scale:.6g}, zero point {spec.zero_point}"
        return f"{spec.name} {list(spec.shape)} {spec.dtype}{steps}"

    part = "from input to output" if facts.fully_delegated else "the rest runs on builtin kernels"
    in_float = ", ".join(f"{count} {name}" for name, count in facts.float_operators.items()) or "none"
    lines = [
        f"size         {facts.size_bytes:,} bytes",
        f"input        {tensor(facts.input)}",
        f"output       {tensor(facts.output)}",
        f"partitions   {facts.partitions} of XNNPACK, {part}",
        f"in float     {in_float}; {facts.float_tensors} tensors",
        f"declares     TensorFlow Lite {facts.min_runtime}",
        "operators    count  version",
    ]
    lines += [f"  {name:<17} {count:>5}  {facts.versions[name]:>7}" for name, count in facts.operators.items()]
    return "\n".join(lines)


def _is_float(tensor: Tensor) -> bool:
    return tensor.dtype == "float32"


def _count(operators: Iterable[Operator]) -> dict[str, int]:
    return dict(sorted(Counter(op.name for op in operators).items()))
