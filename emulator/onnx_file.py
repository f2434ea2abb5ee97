"""An ONNX file with one dense layer, written field by field to avoid a dependency on the `onnx` package.

Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from typing import Any

from numpy.typing import NDArray

FLOAT = 1


def _field(number: int, content: int | str | bytes) -> bytes:
    """Return one field of a protocol buffer: an integer, or a length and what has that length."""
    if isinstance(content, int):
        return _varint(number << 3) + _varint(content)
    content = content.encode() if isinstance(content, str) else content
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + _varint(value >> 7)


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    sizes = b"".join(_field(1, _field(1, size)) for size in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, FLOAT) + _field(2, sizes)))


def _tensor(name: str, array: NDArray[Any]) -> bytes:
    dims = b"".join(_field(1, size) for size in array.shape)
    return dims + _field(2, FLOAT) + _field(8, name) + _field(9, array.tobytes())


def dense(kernel: NDArray[Any], bias: NDArray[Any]) -> bytes:
    """Return the file of ``x @ kernel + bias`` for x ``[1, in]``, all float32."""
    inputs = b"".join(_field(1, name) for name in ("x", "kernel", "bias"))
    graph = _field(1, inputs + _field(2, "y") + _field(4, "Gemm")) + _field(2, "dense")
    graph += _field(5, _tensor("kernel", kernel)) + _field(5, _tensor("bias", bias))
    graph += _field(11, _value("x", (1, kernel.shape[0]))) + _field(12, _value("y", (1, kernel.shape[1])))
    return _field(1, 10) + _field(7, graph) + _field(8, _field(2, 20))
