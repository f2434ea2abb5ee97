"""Captures of the random share, drawn without a network, for the tests of drift."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mixer_edge.captured.tables import CAPTURED
from mixer_edge_export.drift.captures import Capture

START = datetime(2026, 5, 4, tzinfo=timezone.utc)
OUTPUTS = 4
FILE = "a" * 64
"""sha256 of the variant's file."""


def drawn(number: int, *, moved: float = 0.0, probability: float | None = None, hours: float = 1.0) -> Capture:
    """Return capture ``number``, so many hours after the one before; its outputs and confidence are noise."""
    generator = np.random.default_rng(number)
    outputs = generator.normal(moved, 1, OUTPUTS).astype("<f4")
    time = (START + timedelta(hours=number * hours)).isoformat(timespec="milliseconds")
    return Capture(
        file=hashlib.sha256(picture(number)).hexdigest() + ".png",
        time=time.replace("+00:00", "Z"),
        label="cat",
        probability=generator.uniform(0.5, 1) if probability is None else probability,
        none=number % 10 == 0,
        bundle="pets",
        variant="int8",
        file_sha256=FILE,
        outputs=base64.b64encode(outputs.tobytes()).decode(),
    )


def stream(
    count: int, *, moved_from: int | None = None, by: float = 3.0, hours: float = 1.0, scene: int = 1
) -> list[Capture]:
    """Return captures; all outputs have moved from one of them on, and a scene's are near each other."""
    places = np.random.default_rng(7).normal(0, 5 if scene > 1 else 0, count)
    return [
        drawn(
            number,
            moved=(by if moved_from is not None and number >= moved_from else 0.0) + places[number // scene],
            hours=hours,
        )
        for number in range(count)
    ]


def picture(number: int) -> bytes:
    """Return the file of picture ``number``."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (number % 256, number // 256, 0)).save(file, "PNG")
    return file.getvalue()


def write_captures(home: Path, captures: Sequence[Capture], *, random: bool = True) -> Path:
    """Keep captures on a board, and return the folder; their pictures are not there."""
    folder = home / ".local/share/mixer-edge-captured"
    with CAPTURED.writing(folder) as change:
        change.database.executemany(
            "INSERT INTO pictures (file, bytes, time, reason, random, categories, none, bundle, fingerprint, variant, "
            "file_sha256, outputs) VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    one.file, one.time, None if random else "tie", random,
                    json.dumps({"categories": [{"index": 0, "label": one.label, "probability": one.probability}]}),
                    one.none, one.bundle, "f" * 64, one.variant, one.file_sha256, base64.b64decode(one.outputs),
                )
                for one in captures
            ],
        )  # fmt: skip
    return folder


def outputs(captures: Sequence[Capture]) -> NDArray[np.float32]:
    """Return their outputs, ``[n, OUTPUTS]``."""
    return np.stack([np.frombuffer(base64.b64decode(one.outputs), "<f4") for one in captures])
