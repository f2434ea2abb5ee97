"""Small TFLite files that are made table by table, so that a test knows every number in them."""

from __future__ import annotations

from collections.abc import Sequence

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

FULLY_CONNECTED = schema.BuiltinOperator.FULLY_CONNECTED
CUSTOM = schema.BuiltinOperator.CUSTOM


def tensor(name: str, shape: Sequence[int], buffer: int = 0, dtype: int = schema.TensorType.FLOAT32) -> schema.TensorT:
    """Return a tensor; buffer 0 is the empty one."""
    made = schema.TensorT()
    made.name, made.shape, made.buffer, made.type = name, list(shape), buffer, dtype
    return made


def buffer(values: NDArray[np.generic] | None = None) -> schema.BufferT:
    """Return a buffer of these values' bytes."""
    made = schema.BufferT()
    made.data = None if values is None else np.frombuffer(values.tobytes(), np.uint8)
    return made


def code(builtin: int, version: int, custom: str | None = None) -> schema.OperatorCodeT:
    """Return an operator code as the converter writes it: numbers up to 127 in both fields."""
    made = schema.OperatorCodeT()
    made.builtinCode, made.deprecatedBuiltinCode = builtin, min(builtin, 127)
    made.version, made.customCode = version, custom
    return made


def operator(code_number: int, inputs: Sequence[int], outputs: Sequence[int]) -> schema.OperatorT:
    """Return an operator."""
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = code_number, list(inputs), list(outputs)
    return made


def model(
    tensors: Sequence[schema.TensorT],
    buffers: Sequence[schema.BufferT],
    codes: Sequence[schema.OperatorCodeT] = (),
    operators: Sequence[schema.OperatorT] = (),
    inputs: Sequence[int] = (),
    outputs: Sequence[int] = (),
) -> schema.ModelT:
    """Return a model of one graph; the empty buffer is put in front of ``buffers``."""
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = list(tensors), list(operators)
    graph.inputs, graph.outputs = list(inputs), list(outputs)
    made = schema.ModelT()
    made.version, made.subgraphs = 3, [graph]
    made.buffers, made.operatorCodes = [buffer(), *buffers], list(codes)
    return made


def pack(made: schema.ModelT) -> bytes:
    """Return the file of a model."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(made.Pack(builder), b"TFL3")
    return bytes(builder.Output())
