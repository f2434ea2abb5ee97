"""One module per command of ``mixer-edge-export``: ``add_parser`` declares its flags, ``run`` returns the exit code."""

from __future__ import annotations

import argparse

from mixer_edge.manifest import DECODES, GEOMETRIES
from mixer_edge.preprocess import Preprocessing


def names(text: str) -> list[str]:
    """Return the names in a comma-separated list, for argparse."""
    return [name.strip() for name in text.split(",") if name.strip()]


def points(text: str) -> float:
    """Return ``text`` as a number from 0 to 100, for argparse."""
    if not 0 <= (value := float(text)) <= 100:
        raise ValueError(text)
    return value


def add_preprocessing(parser: argparse.ArgumentParser) -> None:
    """Declare how pictures are resized and decoded."""
    parser.add_argument(
        "--geometry",
        choices=GEOMETRIES,
        default=Preprocessing.geometry,
        help="how pictures are resized (default: %(default)s)",
    )
    parser.add_argument(
        "--decode",
        choices=DECODES,
        default=Preprocessing.decode,
        help="scaled decodes large JPEGs at reduced size (default: %(default)s)",
    )
