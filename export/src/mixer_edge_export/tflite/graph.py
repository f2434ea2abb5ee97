"""The graph of a ``.tflite`` file: operators, tensors and constants.

The file is a FlatBuffer (TensorFlow Lite's ``schema.fbs``) and is read in place: a constant is a numpy view of the
file's bytes. So weights are never copied, and writing to a constant changes the file if it is a bytearray.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from mixer_edge.errors import ModelError

IDENTIFIER = b"TFL3"
CUSTOM = "CUSTOM"
TYPES = {number: name.lower() for name, number in vars(schema.TensorType).items() if isinstance(number, int)}
OPERATORS = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor between two operators, or a constant."""

    index: int
    """Its index in the file and in an interpreter."""
    name: str
    shape: tuple[int, ...]
    dtype: str
    """The schema's name in lower case, e.g. ``float32``; numpy's too, except for ``string``, ``int4`` and the like."""
    buffer: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)
    """A constant's bytes, a view of the file; None if the network computes the tensor."""

    @property
    def values(self) -> NDArray[Any]:
        """A constant's values in its shape and dtype, a view of the file.

        Raises:
            ModelError: the tensor is not a constant, numpy has no such dtype, or its bytes do not fill its shape.
        """
        if self.buffer is None:
            raise ModelError(f"tensor {self.index} {self.name!r} is computed by the network; expected a constant")
        try:
            return self.buffer.view(self.dtype).reshape(self.shape)
        except (TypeError, ValueError):
            raise ModelError(
                f"tensor {self.index} {self.name!r} has {self.buffer.size:,} bytes; "
                f"expected {self.dtype} values in the shape {list(self.shape)}"
            ) from None


LEFT_OUT = Tensor(index=-1, name="", shape=(), dtype="")
"""An optional input that is missing, e.g. the bias of a dense layer without a bias."""


@dataclass(frozen=True, kw_only=True)
class Operator:
    """A step of the graph."""

    name: str
    """The schema's name, e.g. "CONV_2D", or a custom operator's own."""
    version: int
    """The version of the operator's definition; a runtime must support it."""
    inputs: tuple[Tensor, ...]
    """In the schema's order, e.g. input, kernel, bias."""
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The main graph of a file, the one that an interpreter runs."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    """In the order in which they run."""
    versions: Mapping[str, int]
    """Operator -> the highest version that the file requires, whether the main graph uses it or not."""
    metadata: Mapping[str, bytes] = field(default_factory=dict, compare=False)
    """The entries' bytes by name."""

    @classmethod
    def read(cls, content: bytes | bytearray, source: str = "the TFLite file") -> Graph:
        """Return the main graph of a file.

        Args:
            content: the file; the constants of a bytearray can be written to.
            source: the file's name in an error message.

        Raises:
            ModelError: it is not a TFLite file, or is damaged; the message says which part cannot be read.
        """
        if content[4:8] != IDENTIFIER:
            raise ModelError(f"{source}: not a TFLite file; expected a .tflite file")
        with _reading(source, "the operator codes"):
            model = schema.Model.GetRootAs(content)
            codes = [_code(model.OperatorCodes(place)) for place in range(model.OperatorCodesLength())]
        with _reading(source, "the main graph"):
            if not model.SubgraphsLength():
                raise ValueError("there is none")
            main = model.Subgraphs(0)
            tensor_count, operator_count = main.TensorsLength(), main.OperatorsLength()
        tensors: list[Tensor] = []
        for index in range(tensor_count):
            with _reading(source, f"tensor {index}"):
                tensors.append(_tensor(content, model, main.Tensors(index), index))
        operators = []
        for index in range(operator_count):
            with _reading(source, f"operator {index}"):
                operators.append(_operator(main.Operators(index), codes, tensors))
        with _reading(source, "the inputs and outputs"):
            inputs, outputs = _pick(tensors, main.InputsAsNumpy()), _pick(tensors, main.OutputsAsNumpy())
        with _reading(source, "the metadata"):
            entries = [model.Metadata(place) for place in range(model.MetadataLength())]
            metadata = {_text(entry.Name()): _buffer(content, model, entry.Buffer()) for entry in entries}
        versions: dict[str, int] = {}
        for name, version in codes:
            versions[name] = max(versions.get(name, 0), version)
        return cls(
            inputs=inputs,
            outputs=outputs,
            tensors=tuple(tensors),
            operators=tuple(operators),
            versions=dict(sorted(versions.items())),
            metadata={name: b"" if data is None else data.tobytes() for name, data in metadata.items()},
        )


@contextmanager
def _reading(source: str, part: str) -> Iterator[None]:
    # the errors that flatbuffers, struct and numpy raise for an offset outside the file
    try:
        yield
    except (struct.error, LookupError, OverflowError, TypeError, ValueError) as error:
        raise ModelError(f"{source}: {part} cannot be read ({error}); the file is damaged, export it again") from None


def _code(code: Any) -> tuple[str, int]:
    """Return an operator's name and version."""
    # old files have only DeprecatedBuiltinCode, which ends at 127; new files use BuiltinCode for all numbers
    name = _known(OPERATORS, max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "operator")
    if name == CUSTOM:
        name = _text(code.CustomCode()) or CUSTOM
    return name, code.Version()


def _tensor(content: bytes | bytearray, model: Any, tensor: Any, index: int) -> Tensor:
    return Tensor(
        index=index,
        name=_text(tensor.Name()),
        shape=_numbers(tensor.ShapeAsNumpy()),
        dtype=_known(TYPES, tensor.Type(), "type"),
        buffer=_buffer(content, model, tensor.Buffer()),
    )


def _buffer(content: bytes | bytearray, model: Any, number: int) -> NDArray[np.uint8] | None:
    if number >= model.BuffersLength():
        raise ValueError(f"its buffer is number {number} of {model.BuffersLength()}")
    buffer = model.Buffers(number)
    if buffer.Offset() > 1:  # in a file above 2 GB the constants are after the FlatBuffer
        return np.frombuffer(content, np.uint8, buffer.Size(), buffer.Offset())
    return buffer.DataAsNumpy() if buffer.DataLength() else None


def _operator(operator: Any, codes: list[tuple[str, int]], tensors: list[Tensor]) -> Operator:
    if operator.OpcodeIndex() >= len(codes):
        raise ValueError(f"its operator code is number {operator.OpcodeIndex()} of {len(codes)}")
    name, version = codes[operator.OpcodeIndex()]
    return Operator(
        name=name,
        version=version,
        inputs=_pick(tensors, operator.InputsAsNumpy()),
        outputs=_pick(tensors, operator.OutputsAsNumpy()),
    )


def _pick(tensors: list[Tensor], indices: NDArray[np.int32] | int) -> tuple[Tensor, ...]:
    numbers = _numbers(indices)
    if outside := [index for index in numbers if not -1 <= index < len(tensors)]:
        raise ValueError(f"it names tensor {outside[0]} of {len(tensors)}")
    return tuple(LEFT_OUT if index == -1 else tensors[index] for index in numbers)


def _numbers(vector: NDArray[np.int32] | int) -> tuple[int, ...]:
    """Return the numbers of a vector; the generated code returns 0 for a missing one."""
    return () if isinstance(vector, int) else tuple(vector.tolist())


def _text(name: bytes | None) -> str:
    """Return a name as text; the generated code returns None for a missing one."""
    return (name or b"").decode()


def _known(names: Mapping[int, str], number: int, kind: str) -> str:
    if number not in names:
        raise ValueError(f"{number} is not a known {kind}")
    return names[number]
