"""Rows of collected pictures, and captured pictures, for the tests."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from mixer_edge.captured.store import Answered, keep, set_label
from mixer_edge.classifier import Category
from mixer_edge.collected import Row

ANSWERED = Answered(
    time="2026-05-04T03:02:01.000Z",
    reason="tie",
    random=False,
    categories=(Category(label="cat", index=0, probability=0.5), Category(label="dog", index=1, probability=0.4)),
    none=False,
    bundle="pets",
    fingerprint="f" * 64,
    variant="int8",
    file_sha256="a" * 64,
)
ROW = Row(
    file="",
    class_="",
    class_by="",
    time="2026-05-04T03:02:01.000Z",
    answer="cat",
    probability="0.5",
    none="no",
    reason="tie",
    variant="int8",
    bundle="pets",
    extractor="f" * 64,
    board="garden",
    sha256="",
)


def sha256(content: bytes) -> str:
    """Return the checksum of a file, which is its name where pictures are kept."""
    return hashlib.sha256(content).hexdigest()


def capture(folder: Path, content: bytes, label: str | None = None, **answered: Any) -> str:
    """Capture a picture in the folder, with this label, and return its checksum."""
    outputs = np.zeros(2, np.float32)
    keep(folder, content, "frame.jpg", replace(ANSWERED, **answered), outputs, most_bytes=1 << 20)
    if label is not None:
        assert set_label(folder, f"{sha256(content)}.jpg", label)
    return sha256(content)


def table(*rows: Row) -> str:
    """Return the text of a table."""
    header = ",".join(name.removesuffix("_") for name in asdict(ROW))
    return "".join(f"{line}\r\n" for line in (header, *(",".join(asdict(row).values()) for row in rows)))
