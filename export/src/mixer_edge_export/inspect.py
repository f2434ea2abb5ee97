"""Facts of a TFLite file: its operators, and how much of it XNNPACK takes over."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """What a file is made of and how ai-edge-litert runs it here."""

    operators: dict[str, int]
    """Operator -> how many of it the file holds."""
    partitions: int
    """XNNPACK partitions, each a piece of the graph that runs without a break."""
    fully_delegated: bool
    """Whether one partition leads from the input to the output."""


def inspect_file(path: Path) -> FileFacts:
    """Return the facts of the TFLite file at ``path``, which is loaded but not run."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    operators = Counter(op["op_name"] for op in interpreter._get_ops_details())
    partitions = operators.pop("DELEGATE", 0)
    delegates = [op for op in interpreter._get_ops_details() if op["op_name"] == "DELEGATE"]
    inputs = {details["index"] for details in interpreter.get_input_details()}
    outputs = {details["index"] for details in interpreter.get_output_details()}
    whole = partitions == 1 and inputs <= set(delegates[0]["inputs"]) and outputs <= set(delegates[0]["outputs"])
    return FileFacts(operators=dict(operators), partitions=partitions, fully_delegated=whole)
