"""Requests and answers of the Open Inference Protocol: tensors as JSON, or as bytes after the JSON."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixer_edge.decode import ImageSource
from mixer_edge.serve.text import whole_number

HEADER_LENGTH = "Inference-Header-Content-Length"
"""The header with the number of bytes of JSON; binary tensors follow them."""
INPUTS = {"image": ("BYTES", (-1,)), "pixels": ("UINT8", (-1, -1, -1, 3))}
"""Name -> datatype and shape; a request has one of them."""
MAX_NUMBERS = 1_500_000
"""Values of one JSON; eight pictures of 224 x 224 pixels have 1.2 million."""
_LENGTH = struct.Struct("<I")


class TensorError(ValueError):
    """A request that is not one of the protocol; the message says what was expected."""


@dataclass(frozen=True, kw_only=True)
class InferenceRequest:
    """What a client asks."""

    id: str | None
    images: list[ImageSource]
    outputs: Mapping[str, bool] | None
    """Names of the outputs that it wants, and whether each is to be binary; None: all."""
    binary: bool
    """Whether outputs are binary if nothing else is said."""


@dataclass(frozen=True, kw_only=True)
class OutputTensor:
    """An output; its first dimension counts the pictures."""

    name: str
    datatype: str
    values: Any
    """``FP32``: an array; ``BYTES``: texts; ``BOOL``: booleans."""


def read_request(body: bytes, header_length: str | None, *, batch: int) -> InferenceRequest:
    """Return the request in a body.

    Args:
        body: JSON, or JSON and binary tensors.
        header_length: the value of the header that says how long the JSON is; None: it is everything.
        batch: how many pictures are allowed.

    Raises:
        TensorError: it is not a request of the protocol with one input.
    """
    if header_length is None:
        text, rest = body, b""
    else:
        if (length := whole_number(header_length)) is None or length > len(body):
            raise TensorError(f"{HEADER_LENGTH} is {header_length[:40]!r}, expected at most {len(body)} bytes")
        text, rest = body[:length], body[length:]
    if text.count(b",") > MAX_NUMBERS:
        raise TensorError(f"the JSON has more than {MAX_NUMBERS:,} values; send the tensor as binary data, or the file")
    try:
        request = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TensorError(f"the request is not JSON ({error or 'nested too deeply'})") from None
    request = _object(request, "the request")
    inputs = request.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1:
        raise TensorError("'inputs' is not a list with one tensor, 'image' or 'pixels'")
    tensor = _object(inputs[0], "the input")
    images = _images(tensor, rest)
    if not 1 <= len(images) <= batch:
        raise TensorError(f"{len(images)} pictures in one request, expected 1 to {batch}")
    identity = request.get("id")
    if identity is not None and not isinstance(identity, str):
        raise TensorError("'id' is not a text")
    return InferenceRequest(
        id=identity,
        images=images,
        outputs=_outputs(request.get("outputs")),
        binary=_flag(request, "binary_data_output") or False,
    )


def write_response(model: str, request: InferenceRequest, outputs: Sequence[OutputTensor]) -> tuple[bytes, int | None]:
    """Return the body of an answer, and the length of its JSON if binary tensors follow it.

    Raises:
        TensorError: the request wants an output that there is not.
    """
    names = [output.name for output in outputs]
    if unknown := next((name for name in request.outputs or () if name not in names), None):
        raise TensorError(f"no output {unknown[:100]!r}; expected {', '.join(names)}")
    described, tail = [], b""
    for output in outputs:
        if request.outputs is not None and output.name not in request.outputs:
            continue
        shape = list(output.values.shape) if isinstance(output.values, np.ndarray) else [len(output.values)]
        entry: dict[str, Any] = {"name": output.name, "datatype": output.datatype, "shape": shape}
        if request.binary if request.outputs is None else request.outputs[output.name]:
            content = _bytes(output)
            entry["parameters"] = {"binary_data_size": len(content)}
            tail += content
        else:
            flat = output.values.ravel().tolist() if isinstance(output.values, np.ndarray) else list(output.values)
            entry["data"] = flat
        described.append(entry)
    answer: dict[str, Any] = {"model_name": model, "model_version": "1", "outputs": described}
    if request.id is not None:
        answer["id"] = request.id
    text = json.dumps(answer, allow_nan=False).encode()
    return text + tail, len(text) if tail else None


def _images(tensor: dict[str, Any], rest: bytes) -> list[ImageSource]:
    name, datatype, shape = tensor.get("name"), tensor.get("datatype"), tensor.get("shape")
    if (name, datatype) not in [(known, kind) for known, (kind, _) in INPUTS.items()]:
        raise TensorError(
            f"the input is {str(name)[:100]!r} of {str(datatype)[:20]!r}, expected 'image' of BYTES or 'pixels' of "
            "UINT8"
        )
    if not isinstance(shape, list) or not all(type(size) is int and 0 < size < 2**31 for size in shape):
        raise TensorError("'shape' is not a list of sizes")
    size = _parameters(tensor).get("binary_data_size")
    if size is not None and (type(size) is not int or size != len(rest)):
        raise TensorError(f"binary_data_size is {str(size)[:20]}, but {len(rest)} bytes follow the JSON")
    if size is None and (rest or not isinstance(tensor.get("data"), list)):
        raise TensorError("the input has neither 'data' nor 'binary_data_size'")
    if name == "pixels":
        return _pixels(shape, rest if size is not None else tensor["data"])
    files = _split(rest) if size is not None else [_base64(item) for item in tensor["data"]]
    if shape not in ([len(files)], [len(files), 1]):
        raise TensorError(f"shape {shape} does not hold the {len(files)} files of the input")
    return files


def _pixels(shape: list[int], data: bytes | list[Any]) -> list[ImageSource]:
    if len(shape) == 3:
        shape = [1, *shape]
    if len(shape) != 4 or shape[3] != 3:
        raise TensorError(f"'pixels' has shape {shape}, expected [pictures, height, width, 3]")
    if isinstance(data, list):
        try:
            array = np.array(data)
        except (ValueError, OverflowError, TypeError) as error:
            raise TensorError(f"'data' is no array ({error})") from None
        if array.dtype.kind not in "iu" or (array.size and (array.min() < 0 or array.max() > 255)):
            raise TensorError("'data' has other values than whole numbers from 0 to 255")
        array = array.astype(np.uint8).ravel()
    else:
        array = np.frombuffer(data, np.uint8)
    if array.size != np.prod([int(size) for size in shape], dtype=object):
        raise TensorError(f"'pixels' has {array.size} values, expected those of shape {shape}")
    return list(array.reshape(shape))


def _split(content: bytes) -> list[ImageSource]:
    """Return the elements of a binary BYTES tensor: each has its length in 4 bytes before it."""
    files: list[ImageSource] = []
    start = 0
    while start < len(content):
        if start + _LENGTH.size > len(content):
            raise TensorError("the binary data ends in the length of an element")
        (length,) = _LENGTH.unpack_from(content, start)
        start += _LENGTH.size
        if start + length > len(content):
            raise TensorError(f"an element has {length} bytes, but only {len(content) - start} follow")
        files.append(content[start : start + length])
        start += length
    return files


def _base64(item: Any) -> ImageSource:
    try:
        return base64.b64decode(item, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise TensorError("an element of 'data' is not a file in base64") from None


def _bytes(output: OutputTensor) -> bytes:
    if output.datatype == "FP32":
        return np.ascontiguousarray(output.values, "<f4").tobytes()
    if output.datatype == "BOOL":
        return np.array(output.values, np.bool_).tobytes()
    return b"".join(_LENGTH.pack(len(text)) + text for text in (value.encode() for value in output.values))


def _outputs(outputs: Any) -> dict[str, bool] | None:
    if outputs is None:
        return None
    if not isinstance(outputs, list):
        raise TensorError("'outputs' is not a list")
    wanted = {}
    for output in outputs:
        output = _object(output, "an output")
        if not isinstance(output.get("name"), str):
            raise TensorError("an output has no name")
        wanted[output["name"]] = _flag(output, "binary_data") or False
    return wanted or None


def _flag(holder: dict[str, Any], name: str) -> bool | None:
    value = _parameters(holder).get(name)
    if value is not None and not isinstance(value, bool):
        raise TensorError(f"'{name}' is not true or false")
    return value


def _parameters(holder: dict[str, Any]) -> dict[str, Any]:
    return _object(holder.get("parameters", {}), "'parameters'")


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TensorError(f"{name} is not an object")
    return value
