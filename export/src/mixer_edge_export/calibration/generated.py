"""Pictures to calibrate a photo model without photographs: dead leaves over fractal texture.

Photographs have an amplitude spectrum that falls as 1/f, edges where one object covers another, soft shading, all
brightnesses and mostly dull colours. So each picture is a background of fractal noise (equal variance in each octave,
which is 1/f) under textured, shaded shapes whose sizes follow the power law of the dead leaves model (Lee, Mumford and
Huang 2001). Its tone is normal, dark, bright, flat, hard or grey, and some pictures are out of focus.

The bytes are the same on every machine: random numbers come from SHAKE128, whose output is fixed by a standard (NumPy
does not guarantee that for its distributions), and all arithmetic uses integers. ``calibration_data/`` has measurements
of how similar they are to photographs.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

SIDE = 224
"""Width and height of a picture, in pixels."""

_Field = NDArray[np.int64]
_FIELD = 256
"""Side of the noise before cropping: a power of two."""

_TONES: dict[str, Callable[[_Field], _Field]] = {
    "normal": lambda v: v,
    "dark": lambda v: v * v // 255,
    "bright": lambda v: 255 - (255 - v) ** 2 // 255,
    "flat": lambda v: 64 + v // 2,
    "hard": lambda v: 2 * v - 128,
}
_SHAPES = (0, 10, 40, 120, 300)
"""Number of shapes in a picture; the pictures use these in turn."""


def generate(count: int, first: int = 0) -> list[NDArray[np.uint8]]:
    """Return ``count`` pictures from the ``first`` one on, ``[224, 224, 3]`` uint8 each."""
    return [picture(index) for index in range(first, first + count)]


def tone(index: int) -> str:
    """Return the name of a picture's tone."""
    return list(_TONES)[index // len(_SHAPES) % len(_TONES)]


def picture(index: int) -> NDArray[np.uint8]:
    """Return one picture, ``[224, 224, 3]`` uint8."""
    random = _Random(f"mixer-edge calibration picture {index}")
    texture = _fractal(random, first=random.between(0, 2))
    scene = _surface(random, texture, 0, 0)
    for _ in range(_SHAPES[index % len(_SHAPES)]):
        _add_shape(random, scene, texture)
    if index % 3 == 2:
        scene = _blur(scene, random.between(1, 3))
    if index % 8 == 7:
        scene = np.repeat(scene.sum(axis=2, keepdims=True) // 3, 3, axis=2)
    return _TONES[tone(index)](scene.clip(0, 255)).clip(0, 255).astype(np.uint8)


class _Random:
    """Whole numbers from SHAKE128 of a name."""

    def __init__(self, name: str) -> None:
        self._name, self._draws = name, 0

    def bytes(self, *shape: int) -> NDArray[np.uint8]:
        """Return an array of this shape, uniform in 0..255."""
        self._draws += 1
        stream = hashlib.shake_128(f"{self._name}/{self._draws}".encode()).digest(math.prod(shape))
        return np.frombuffer(stream, np.uint8).reshape(shape)

    def between(self, low: int, high: int) -> int:
        """Return a number in low..high, including both."""
        return low + int.from_bytes(self.bytes(8).tobytes(), "little") % (high - low + 1)


def _fractal(random: _Random, first: int) -> _Field:
    """Return noise around 0, ``[224, 224]``, of octaves with cells of ``256 >> first`` pixels down to one."""
    total = np.zeros((_FIELD, _FIELD), np.int64)
    for octave in range(first, 9):
        grid = random.bytes((1 << octave) + 1, (1 << octave) + 1).astype(np.int64) - 128
        total += _stretch(_stretch(grid, _FIELD >> octave).T, _FIELD >> octave).T
    return total[:SIDE, :SIDE]


def _stretch(grid: _Field, size: int) -> _Field:
    """Return the rows of ``grid`` interpolated linearly, with ``size`` rows for each of its intervals."""
    place = np.arange(size)[None, :, None]
    between = grid[:-1, None] * (size - place) + grid[1:, None] * place
    return (between // size).reshape(-1, grid.shape[1])


def _surface(random: _Random, texture: _Field, top: int, left: int) -> _Field:
    """Return ``[*texture.shape, 3]``: a mostly dull colour, textured, with light that falls off to one side."""
    light, warm, green = random.between(-20, 275), random.between(-45, 45), random.between(-20, 20)
    if random.between(0, 9) == 0:
        warm, green = 3 * warm, 3 * green
    y, x = np.ogrid[top : top + texture.shape[0], left : left + texture.shape[1]]
    fall = ((y - SIDE // 2) * random.between(-80, 80) + (x - SIDE // 2) * random.between(-80, 80)) // 128
    grain = texture * random.between(0, 40) // 128
    return np.array([light + warm, light + green, light - warm]) + (fall + grain)[..., None]


def _add_shape(random: _Random, scene: _Field, texture: _Field) -> None:
    """Paint an ellipse or a rectangle, turned, over the scene; its radius has density r^-3 between 3.5 and 112."""
    radius = math.isqrt(112**2 * 65536 // (65536 + 1023 * random.between(0, 65535)))
    across, down = random.between(0, SIDE), random.between(0, SIDE)
    top, left = max(0, down - 2 * radius), max(0, across - 2 * radius)
    window = np.s_[top : down + 2 * radius, left : across + 2 * radius]
    y, x = np.ogrid[window]
    y, x = y[: SIDE - top] - down, x[:, : SIDE - left] - across
    cos, sin = random.between(-64, 64), random.between(1, 64)
    length, along, aside = math.isqrt(cos * cos + sin * sin), x * cos + y * sin, y * cos - x * sin
    along = along * random.between(1, 4)
    if random.between(0, 1):
        inside = along**2 + aside**2 <= (radius * length) ** 2
    else:
        inside = (abs(along) <= radius * length) & (abs(aside) <= radius * length)
    scene[window] = np.where(inside[..., None], _surface(random, texture[window], top, left), scene[window])


def _blur(scene: _Field, radius: int) -> _Field:
    """Return the mean over squares of ``2 radius + 1`` pixels, with repeated borders."""
    size = 2 * radius + 1
    for axis in (0, 1):
        padded = np.pad(scene, [(radius + 1, radius) if axis == a else (0, 0) for a in range(3)], "edge")
        total = np.moveaxis(padded.cumsum(axis=axis), axis, 0)
        scene = np.moveaxis((total[size:] - total[:-size]) // size, 0, axis)
    return scene
