"""Damaged pictures through the command: no crash, no traceback, bounded memory, and the good ones still answered."""

from __future__ import annotations

import io
import json
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

COUNT = 500
MAX_MEMORY_MB = 700
"""The largest picture that is decoded takes 256 MB as RGB; with transparency a second one of that size is made."""

PROGRAM = """
import sys
from mixer_edge.cli import console_script
code = console_script()
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("peak", int(peak) // 1024, file=sys.stderr)
sys.exit(code)
"""


def originals() -> list[tuple[str, bytes]]:
    """Return a picture of each kind, by its extension."""
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 4), np.uint8)
    rgba = Image.fromarray(pixels)
    rgb, exif = rgba.convert("RGB"), Image.Exif()
    exif[0x0112] = 6
    kinds: list[tuple[str, Image.Image, str, dict[str, Any]]] = [
        ("jpg", rgb, "JPEG", {"exif": exif}),
        ("jpg", rgb, "JPEG", {"progressive": True}),
        ("jpg", rgb.convert("CMYK"), "JPEG", {}),
        ("png", rgba, "PNG", {}),
        ("png", rgb.quantize(16), "PNG", {"transparency": 3}),
        ("png", Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), "PNG", {}),
        ("gif", rgb.quantize(16), "GIF", {"save_all": True, "append_images": [rgb.quantize(8)]}),
        ("webp", rgba, "WEBP", {}),
        ("tiff", rgb, "TIFF", {"compression": "tiff_lzw"}),
        ("tiff", rgb, "TIFF", {}),
        ("bmp", rgb, "BMP", {}),
        ("ppm", rgb, "PPM", {}),
    ]
    files = []
    for suffix, image, file_format, options in kinds:
        file = io.BytesIO()
        image.save(file, file_format, **options)
        files.append((suffix, file.getvalue()))
    return files


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Return damaged content: bytes changed at the start or anywhere, truncated, doubled, or with a part removed."""
    data = bytearray(content)
    kind = rng.randrange(5)
    if kind < 2:
        reach = min(len(data), 64) if kind == 0 else len(data)
        for _ in range(rng.randint(1, 12)):
            data[rng.randrange(reach)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    elif kind == 2:
        del data[rng.randrange(len(data)) :]
    else:
        start = rng.randrange(len(data))
        end = min(len(data), start + rng.randint(1, 64))
        data[start:start] = data[start:end] if kind == 3 else b""
        if kind == 4:
            del data[start:end]
    return bytes(data)


def test_damaged_pictures_never_stop_the_command(tiny_bundle: Path, tmp_path: Path) -> None:
    """500 seeded mutations and one good picture: each has an answer or one line, and memory stays bounded."""
    rng, files, folder = random.Random(0), originals(), tmp_path / "pictures"
    folder.mkdir()
    for number in range(COUNT):
        suffix, content = files[number % len(files)]
        (folder / f"{number:03}.{suffix}").write_bytes(mutate(content, rng))
    (folder / "good.png").write_bytes(files[3][1])
    command = [sys.executable, "-c", PROGRAM, "classify", str(tiny_bundle), str(folder), "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    answered = [json.loads(line)["image"] for line in result.stdout.splitlines()]
    refused = re.findall(rf"^error: ({folder}/\d+\.\w+): ", result.stderr, re.MULTILINE)
    assert sorted(answered + refused) == sorted(str(path) for path in folder.iterdir())
    assert str(folder / "good.png") in answered
    (peak,) = (int(line.split()[1]) for line in result.stderr.splitlines() if line.startswith("peak "))
    assert peak < MAX_MEMORY_MB
    assert len(answered) > 50
    assert len(refused) > 50
