"""TFLite Metadata, for other programs that read a .tflite file (MediaPipe Tasks, Android Studio).

The metadata is a separate FlatBuffer inside the file. Its schema is MediaPipe's ``metadata_schema.fbs``; the few tables
used here are written by their slot numbers. As the schema requires, labels are in a zip archive after the model.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from mixer_edge.errors import ModelError
from mixer_edge.manifest import PreprocessSpec
from mixer_edge_export.tflite.graph import IDENTIFIER

NAME = "TFLITE_METADATA"
LABELS_NAME = "labels.txt"
_METADATA_IDENTIFIER = b"M001"
_TENSOR_AXIS_LABELS, _RGB, _IMAGE_PROPERTIES, _NORMALIZATION = 2, 1, 2, 1
_HEADROOM = 1 << 16
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest date that a zip archive can have; with a fixed date the same labels give the same bytes."""


def describe(name: str, preprocess: PreprocessSpec, *, has_labels: bool, task: str) -> bytes:
    """Return the metadata of a Mixer's file; its length does not depend on the preprocessing's numbers.

    Args:
        name: the model's name.
        preprocess: the preprocessing of the file's input; normalization is ``(pixel - mean) / std``.
        has_labels: whether ``LABELS_NAME`` is attached.
        task: ``classification`` or ``embedding``.
    """
    b = flatbuffers.Builder(1024)
    mean = -preprocess.offset * preprocess.scale
    normalization = _table(b, 2, {0: _floats(b, mean), 1: _floats(b, preprocess.scale)})
    unit = _table(b, 2, {1: normalization}, int8={0: _NORMALIZATION})
    size = _table(b, 2, uint32={0: preprocess.width, 1: preprocess.height})
    image = _table(b, 2, {1: size}, int8={0: _RGB})
    content = _table(b, 3, {1: image}, int8={0: _IMAGE_PROPERTIES})
    image_text = b.CreateString(
        f"RGB picture, {preprocess.width} x {preprocess.height} pixels, as (pixel - mean) / std; "
        "a quantized file's scale and zero point come after that."
    )
    input_name, output_name = b.CreateString("image"), b.CreateString("logits" if has_labels else "output")
    inputs = _vector(b, _table(b, 7, {0: input_name, 1: image_text, 3: content, 4: _vector(b, unit)}))
    output: dict[int, int] = {
        0: output_name,
        1: b.CreateString("Logits, one per class." if task == "classification" else "Features of the picture."),
    }
    if has_labels:
        label_text = b.CreateString("One label per line, in the order of the classes.")
        label_name = b.CreateString(LABELS_NAME)
        output[6] = _vector(b, _table(b, 5, {0: label_name, 1: label_text}, int8={2: _TENSOR_AXIS_LABELS}))
    outputs = _vector(b, _table(b, 7, output))
    graph = _vector(b, _table(b, 10, {2: inputs, 3: outputs}))
    text = b.CreateString(f"MLP-Mixer for {task}, exported by mixer-edge.")
    model_name, parser = b.CreateString(name), b.CreateString("1.0.0")
    b.Finish(_table(b, 8, {0: model_name, 1: text, 3: graph, 7: parser}), _METADATA_IDENTIFIER)
    return bytes(b.Output())


def embed(model: bytes, entries: Mapping[str, bytes]) -> bytes:
    """Return a TFLite file with metadata entries added, by name; files quantized from it keep them."""
    tree = flatbuffer_utils.read_model_from_bytearray(model)
    tree.metadata = list(tree.metadata or ())
    for name, data in entries.items():
        buffer, entry = schema.BufferT(), schema.MetadataT()
        buffer.data = np.frombuffer(data, np.uint8)
        entry.name, entry.buffer = name, len(tree.buffers)
        tree.buffers.append(buffer)
        tree.metadata.append(entry)
    # the full size at once: a builder that grows by doubling holds the file three times in memory
    builder = flatbuffers.Builder(len(model) + sum(map(len, entries.values())) + _HEADROOM)
    builder.Finish(tree.Pack(builder), IDENTIFIER)
    return bytes(memoryview(builder.Bytes)[builder.Head() :])


def replace(model: bytes, old: bytes, new: bytes) -> bytes:
    """Return the file with ``new`` instead of the metadata ``old``; both have the same length.

    Raises:
        ModelError: the file does not contain ``old``, so a tool has dropped it.
    """
    if model.count(old) != 1 or len(old) != len(new):
        raise ModelError("quantization dropped the metadata of the float32 file; expected it unchanged")
    return model.replace(old, new)


def attach(model: bytes, files: Mapping[str, bytes]) -> bytes:
    """Return the file with associated files, by name, in a zip archive after it."""
    content = io.BytesIO(model)
    if files:
        with zipfile.ZipFile(content, "a", zipfile.ZIP_STORED) as archive:
            for name, data in files.items():
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    return content.getvalue()


def _table(
    b: Any,
    slots: int,
    offsets: Mapping[int, int] | None = None,
    int8: Mapping[int, int] | None = None,
    uint32: Mapping[int, int] | None = None,
) -> int:
    """Write a table with ``slots`` fields and return its offset; fields are given by slot, the others are omitted."""
    b.StartObject(slots)
    for slot, value in (offsets or {}).items():
        b.PrependUOffsetTRelativeSlot(slot, value, 0)
    for slot, value in (int8 or {}).items():
        b.PrependInt8Slot(slot, value, 0)
    for slot, value in (uint32 or {}).items():
        b.PrependUint32Slot(slot, value, 0)
    return int(b.EndObject())


def _vector(b: Any, *offsets: int) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def _floats(b: Any, *values: float) -> int:
    b.StartVector(4, len(values), 4)
    for value in reversed(values):
        b.PrependFloat32(value)
    return int(b.EndVector())
